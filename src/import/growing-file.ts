import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';

const CHUNK_BYTES = 256 * 1024;

/** A file that another process may append to. */
export class GrowingFile {
  readonly path: string;
  #handle: FileHandle | undefined;
  #position = 0;

  constructor(path: string) {
    this.path = path;
  }

  /** Next bytes; undefined at the current end of the file. @throws Error when the file became shorter */
  async read(): Promise<Buffer | undefined> {
    this.#handle ??= await open(this.path);
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
    const { bytesRead } = await this.#handle.read(buffer, 0, CHUNK_BYTES, this.#position);
    if (bytesRead === 0) {
      const { size } = await this.#handle.stat();
      if (size < this.#position) throw new Error(`${this.path} became shorter while it was read`);
      return undefined;
    }
    this.#position += bytesRead;
    return buffer.subarray(0, bytesRead);
  }

  async close(): Promise<void> {
    await this.#handle?.close();
    this.#handle = undefined;
  }
}

/** First bytes of a file. */
export async function readHead(path: string, bytes: number): Promise<Buffer> {
  const handle = await open(path);
  try {
    const { size } = await handle.stat();
    const buffer = Buffer.alloc(Math.min(bytes, size));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}
