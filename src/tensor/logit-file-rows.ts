import type { FileRange } from './file-range.ts';

/** Rows of an open llama.cpp logit file, contiguous in the order of the chunks. */
export interface LogitFileRows {
  readonly chunks: number;
  readonly rowsPerChunk: number;
  readonly classes: number;
  /** Range of the bytes of all rows. */
  readonly range: FileRange;
  /**
   * Reads the labels, one int32 per row.
   * @throws LossmeterError invalid_file, file_unreadable, file_changed
   */
  readonly readLabels: () => Promise<Int32Array<ArrayBuffer>>;
}
