import type { FileTensor } from '../tensor/file-tensor.ts';

/** Takes the bytes of logits: in order and in runs of any length, or from a file. */
export interface LogitsIntake {
  /** Takes the next bytes. @returns a promise only where it has to wait */
  write(run: Uint8Array): Promise<void> | undefined;
  /** Reads all of them from a file. @param options.onRead called with the number of bytes once they are evaluated */
  readFrom(logits: FileTensor, options?: { onRead?: (bytes: number) => void }): Promise<void>;
}
