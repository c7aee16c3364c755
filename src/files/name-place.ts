/** Place of a file's name in a request. */
export interface NamePlace {
  readonly field: string;
  readonly key: 'file' | 'kld_file';
  /** A path that could stand there. */
  readonly example: string;
}
