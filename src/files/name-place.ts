/** Place of a file's name in a request. */
export interface NamePlace {
  readonly field: string;
  /** Member of the field, or index in it. */
  readonly key: string;
  /** Example of a valid path. */
  readonly example: string;
}
