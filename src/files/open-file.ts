import { constants } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { LossmeterError } from '../errors.ts';
import { endedEarly } from '../engine/read-range.ts';
import type { LocalRange } from '../tensor/file-range.ts';
import type { FileOpener, ReadableFile } from './readable-file.ts';

/** Flags with which opening a pipe or a terminal does not block. */
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK;

/** Options for opening a file. */
export interface OpenFileOptions {
  /** Name of the file in messages. */
  name: string;
  /** Throws for a forbidden file, before anything is read. */
  requireAllowed?: ((handle: FileHandle, stats: BigIntStats) => Promise<void>) | undefined;
}

/** Opens a local file. */
export function localOpener(path: string, options: OpenFileOptions): FileOpener {
  return (kind, read) => OpenFile.open(path, kind, options, read);
}

/** A regular file that is open for reading. It detects changes by other programs while it is open. */
class OpenFile implements ReadableFile {
  readonly #handle: FileHandle;
  readonly #stats: BigIntStats;
  /** Name of the file in messages. */
  readonly name: string;

  private constructor(handle: FileHandle, name: string, stats: BigIntStats) {
    this.#handle = handle;
    this.#stats = stats;
    this.name = name;
  }

  /**
   * Opens a file, and closes it again when `read` fails.
   * @param kind the expected kind of file, for messages
   * @throws LossmeterError file_unreadable, overloaded, and errors of requireAllowed and of the reader
   */
  static async open<T>(
    path: string,
    kind: string,
    { name, requireAllowed }: OpenFileOptions,
    read: (file: OpenFile) => Promise<T>,
  ): Promise<T> {
    const handle = await openHandle(path, name);
    try {
      const stats = await handle.stat({ bigint: true });
      await requireAllowed?.(handle, stats);
      if (!stats.isFile()) {
        const what = stats.isDirectory() ? 'a folder' : 'not a regular file';
        throw new LossmeterError('file_unreadable', `${name} is ${what}, expected ${kind}`);
      }
      return await read(new OpenFile(handle, name, stats));
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Size when the file was opened, in bytes. */
  get size(): number {
    return Number(this.#stats.size);
  }

  /** A range of the file, for threads. */
  range(position: number, byteLength: number): LocalRange {
    return { fd: this.#handle.fd, name: this.name, position, byteLength };
  }

  /** @throws LossmeterError file_unreadable, and file_changed when the file has become shorter */
  async read(position: number, byteLength: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(byteLength);
    for (let filled = 0; filled < byteLength;) {
      const { bytesRead } = await this.#handle
        .read(bytes, filled, byteLength - filled, position + filled)
        .catch((cause: unknown) => {
          throw unreadable(this.name, cause);
        });
      if (bytesRead === 0) throw endedEarly(this.name, position + filled);
      filled += bytesRead;
    }
    return bytes;
  }

  /**
   * Checks that the file is unchanged. Called after all reads: if size and modification time are the same, the reads
   * saw one state of the file.
   * @throws LossmeterError file_changed
   */
  async requireUnchanged(): Promise<void> {
    const { size, mtimeNs } = await this.#handle.stat({ bigint: true });
    if (size === this.#stats.size && mtimeNs === this.#stats.mtimeNs) return;
    const what = size === this.#stats.size ? 'written to' : `resized from ${this.#stats.size} to ${size} bytes`;
    const detail = `${this.name} was ${what} while it was read: write to another name and rename it when it is complete`;
    throw new LossmeterError('file_changed', detail);
  }

  /** Does nothing: reads of local files do not wait for a network. */
  cancelReads(): void {}

  /** Closes the file. No read may be in progress. */
  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** Describes an error of the system in words. */
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'a part of its path is not a folder',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ELOOP: 'its symbolic links form a loop',
  ENAMETOOLONG: 'its name is too long',
};

function unreadable(name: string, cause: unknown): LossmeterError {
  const { code = '', message } = cause as NodeJS.ErrnoException;
  if (code === 'EMFILE' || code === 'ENFILE') {
    return new LossmeterError('overloaded', `${name} cannot be opened: too many files are open`, [], { cause });
  }
  return new LossmeterError('file_unreadable', `${name} cannot be read: ${REASONS[code] ?? message}`, [], { cause });
}

async function openHandle(path: string, name: string): Promise<FileHandle> {
  try {
    return await open(path, FLAGS);
  } catch (cause) {
    throw unreadable(name, cause);
  }
}
