import type { FileRange } from './file-range.ts';

/** Rows of an open llama.cpp logit file. They follow one another, chunk after chunk. */
export interface LogitFileRows {
  readonly chunks: number;
  readonly rowsPerChunk: number;
  readonly classes: number;
  /** Place of the bytes of all rows. */
  readonly range: FileRange;
  /**
   * Reads the labels, one a row: four bytes each.
   * @throws LossmeterError invalid_file, file_unreadable, file_changed
   */
  readonly readLabels: () => Promise<Int32Array<ArrayBuffer>>;
}
