/** Error of a file that the service would not read. */
export class UnreadableFileError extends Error {}
