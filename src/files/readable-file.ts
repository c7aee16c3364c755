import type { FileRange } from '../tensor/file-range.ts';

/** A file that is open for reading by position. All reads see one state of the file, or the file is refused. */
export interface ReadableFile {
  /** Name of the file in messages. */
  readonly name: string;
  /** Size when the file was opened, in bytes. */
  readonly size: number;
  /** A range of the file, for the engine. */
  range(position: number, byteLength: number): FileRange;
  /** @throws LossmeterError file_unreadable, file_changed, storage_unavailable */
  read(position: number, byteLength: number): Promise<Uint8Array<ArrayBuffer>>;
  /** Checks after all reads that the file is unchanged. @throws LossmeterError file_changed */
  requireUnchanged(): Promise<void>;
  /** Makes pending reads fail if they can wait for a network. */
  cancelReads(): void;
  /** Closes the file. No read may be in progress. */
  close(): Promise<void>;
}

/**
 * Opens a file, and closes it again when `read` fails.
 * @param kind the expected kind of file, for messages
 */
export type FileOpener = <T>(kind: string, read: (file: ReadableFile) => Promise<T>) => Promise<T>;
