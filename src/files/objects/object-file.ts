import type { FileRange, RemoteSource } from '../../tensor/file-range.ts';
import type { ReadableFile } from '../readable-file.ts';
import type { ObjectReader } from './object-reader.ts';

/** Number of bytes that are read when the object is opened. Most headers fit into them. */
const FIRST_BYTES = 2 ** 14;

/** Bytes per request, and number of concurrent requests, for a read of many bytes. */
const PART_BYTES = 2 ** 22;
const PARTS_AT_A_TIME = 4;

/**
 * An object that is read by position. Each request requires the entity tag of the first response, so a read fails after
 * the object was overwritten.
 */
export class ObjectFile implements ReadableFile, RemoteSource {
  readonly #reader: ObjectReader;
  readonly #first: Uint8Array;
  readonly name: string;
  readonly size: number;

  private constructor(reader: ObjectReader, name: string, { bytes, size }: { bytes: Uint8Array; size: number }) {
    this.#reader = reader;
    this.#first = bytes;
    this.name = name;
    this.size = size;
  }

  /** @throws LossmeterError file_unreadable, storage_unavailable, and errors of the reader */
  static async open<T>(reader: ObjectReader, name: string, read: (file: ObjectFile) => Promise<T>): Promise<T> {
    return read(new ObjectFile(reader, name, await reader.readFirst(FIRST_BYTES)));
  }

  range(position: number, byteLength: number): FileRange {
    return { source: this, position, byteLength };
  }

  async readInto(target: Uint8Array, position: number): Promise<void> {
    const known = this.#first.subarray(position, position + target.byteLength);
    target.set(known);
    if (known.byteLength === target.byteLength) return;
    await this.#reader.readInto(target.subarray(known.byteLength), position + known.byteLength);
  }

  /** Reads many bytes by several requests. */
  async read(position: number, byteLength: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(byteLength);
    const parts = function* (): Generator<number> {
      for (let at = 0; at < byteLength; at += PART_BYTES) yield at;
    };
    const starts = parts();
    const readParts = async (): Promise<void> => {
      for (const at of starts) await this.readInto(bytes.subarray(at, at + PART_BYTES), position + at);
    };
    const lanes = await Promise.allSettled(Array.from({ length: PARTS_AT_A_TIME }, readParts));
    const failed = lanes.find((lane) => lane.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    return bytes;
  }

  /** Does nothing: every read requires the same state. */
  async requireUnchanged(): Promise<void> {}

  cancelReads(): void {
    this.#reader.cancel();
  }

  async close(): Promise<void> {
    this.#reader.cancel();
  }
}
