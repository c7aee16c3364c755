import type { FileTensor } from '../tensor/file-tensor.ts';

/** Receives the bytes of logits, in order and in pieces of any length, or reads them from a file. */
export interface LogitsIntake {
  /**
   * Receives the next bytes.
   * @returns a promise only when it has to wait
   */
  write(run: Uint8Array): Promise<void> | undefined;
  /**
   * Reads all bytes from a file.
   * @param options.onRead called with the number of bytes once they are evaluated
   */
  readFrom(logits: FileTensor, options?: { onRead?: (bytes: number) => void }): Promise<void>;
}
