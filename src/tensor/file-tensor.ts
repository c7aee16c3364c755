import type { DType } from './dtype.ts';
import type { FileRange } from './file-range.ts';
import type { Shape } from './shape.ts';

/** A tensor in an open file. */
export interface FileTensor {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly range: FileRange;
  /**
   * Reads all bytes of the tensor.
   * @throws LossmeterError file_unreadable, file_changed
   */
  read(): Promise<Uint8Array>;
}
