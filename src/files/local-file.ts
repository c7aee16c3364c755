import { constants } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { LossmeterError, refuse } from '../errors.ts';
import { endedEarly } from '../engine/read-range.ts';
import { showValue, suggestName } from '../suggestion.ts';
import type { FileTensor } from '../tensor/file-tensor.ts';
import { KIND_BYTES, kindOfFile } from '../wire/body/file-kind.ts';
import { LENGTH_BYTES, MAX_HEADER_BYTES, parseHeader, requireReadable } from '../wire/safetensors/header.ts';
import type { ReadableTensor, SafetensorsHeader, StoredTensor } from '../wire/safetensors/header.ts';

/** Open flags that do not wait for a pipe or a terminal. */
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK;

/** Most names of tensors in a message. */
const MAX_NAMES = 8;

/** Options for opening a local file. */
export interface LocalFileOptions {
  /** Name of the file in messages. */
  name: string;
  /** Throws for a forbidden file, before anything is read. */
  requireAllowed?: (handle: FileHandle, stats: BigIntStats) => Promise<void>;
  /** Longest JSON header, in bytes. */
  maxHeaderBytes: number;
}

/** A safetensors file that is open for reading. It detects changes by other programs while it is open. */
export class LocalFile {
  readonly #handle: FileHandle;
  readonly #name: string;
  readonly #stats: BigIntStats;
  readonly header: SafetensorsHeader;
  /** Offset of the tensors' bytes. */
  readonly #dataStart: number;

  private constructor(
    handle: FileHandle,
    name: string,
    stats: BigIntStats,
    header: { value: SafetensorsHeader; end: number },
  ) {
    this.#handle = handle;
    this.#name = name;
    this.#stats = stats;
    this.header = header.value;
    this.#dataStart = header.end;
  }

  /** @throws LossmeterError file_unreadable, invalid_file, overloaded, and errors of requireAllowed */
  static async open(path: string, options: LocalFileOptions): Promise<LocalFile> {
    const { name, requireAllowed } = options;
    const handle = await openHandle(path, name);
    try {
      const stats = await handle.stat({ bigint: true });
      await requireAllowed?.(handle, stats);
      if (!stats.isFile()) {
        const what = stats.isDirectory() ? 'a folder' : 'not a regular file';
        throw new LossmeterError('file_unreadable', `${name} is ${what}, expected a safetensors file`);
      }
      const header = await readHeader(handle, Number(stats.size), options);
      return new LocalFile(handle, name, stats, header);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /**
   * Finds a tensor, which can be read until the file is closed.
   * @param field field of the request that names it
   * @throws LossmeterError invalid_tensor when the file lacks the tensor, or its dtype is not supported
   */
  tensor(field: string, name: string): FileTensor {
    const { tensors } = this.header;
    const stored = tensors.find((tensor) => tensor.name === name);
    if (stored === undefined) {
      const names = tensors.map((tensor) => tensor.name);
      const meant = suggestName(name, names);
      const some = names.slice(0, MAX_NAMES).map((known) => showValue(known));
      if (names.length > some.length) some.push('…');
      const hint = meant === undefined ? `it has ${some.join(', ') || 'none'}` : `did you mean ${showValue(meant)}?`;
      throw refuse('invalid_tensor', `/${field}/tensor`, `${this.#name} has no tensor ${showValue(name)}: ${hint}`);
    }
    const { dtype, shape, begin, byteLength } = this.#requireReadable(field, stored);
    const position = this.#dataStart + begin;
    return {
      dtype,
      shape,
      range: { fd: this.#handle.fd, name: this.#name, position, byteLength },
      read: () => readBytes(this.#handle, this.#name, position, byteLength),
    };
  }

  #requireReadable(field: string, stored: StoredTensor): ReadableTensor {
    try {
      return requireReadable(stored);
    } catch (error) {
      if (!(error instanceof LossmeterError)) throw error;
      throw refuse(error.code, `/${field}/tensor`, `${this.#name}: ${error.message}`);
    }
  }

  /**
   * Checks that the file has not changed. Called after all reads: if size and time of change are the same, the reads
   * saw one state of the file.
   * @throws LossmeterError file_changed
   */
  async requireUnchanged(): Promise<void> {
    const { size, mtimeNs } = await this.#handle.stat({ bigint: true });
    if (size === this.#stats.size && mtimeNs === this.#stats.mtimeNs) return;
    const what = size === this.#stats.size ? 'written to' : `resized from ${this.#stats.size} to ${size} bytes`;
    const detail = `${this.#name} was ${what} while it was read: write to another name and rename it when it is complete`;
    throw new LossmeterError('file_changed', detail);
  }

  /** Closes the file. No read may be in progress. */
  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** Describes an error of the system in words. */
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'a part of its path is no folder',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ELOOP: 'its symbolic links go in circles',
  ENAMETOOLONG: 'its name is too long',
};

function unreadable(name: string, cause: unknown): LossmeterError {
  const { code = '', message } = cause as NodeJS.ErrnoException;
  if (code === 'EMFILE' || code === 'ENFILE') {
    return new LossmeterError('overloaded', `${name} cannot be opened: too many files are`, [], { cause });
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

async function readBytes(handle: FileHandle, name: string, position: number, byteLength: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(byteLength);
  for (let filled = 0; filled < byteLength;) {
    const { bytesRead } = await handle
      .read(bytes, filled, byteLength - filled, position + filled)
      .catch((cause: unknown) => {
        throw unreadable(name, cause);
      });
    if (bytesRead === 0) throw endedEarly(name, position + filled);
    filled += bytesRead;
  }
  return bytes;
}

/** @throws LossmeterError invalid_file, file_unreadable */
async function readHeader(
  handle: FileHandle,
  size: number,
  { name, maxHeaderBytes }: LocalFileOptions,
): Promise<{ value: SafetensorsHeader; end: number }> {
  const invalid = (what: string, cause?: unknown): LossmeterError =>
    new LossmeterError('invalid_file', `${name} is not a valid safetensors file: ${what}`, [], { cause });
  if (size < LENGTH_BYTES) throw invalid(`it has ${size} bytes`);
  const first = Buffer.from(await readBytes(handle, name, 0, Math.min(size, KIND_BYTES)));
  const length = first.readBigUInt64LE();
  const most = Math.min(maxHeaderBytes, MAX_HEADER_BYTES);
  if (length < 2n || length > most) {
    const found = kindOfFile(first);
    if (found !== undefined) throw invalid(`it is ${found.kind}; ${found.advice}`);
    throw invalid(`its first 8 bytes announce a header of ${length} bytes, expected 2 to ${most}`);
  }
  const end = LENGTH_BYTES + Number(length);
  if (size < end) throw invalid(`its header should end at byte ${end}, but it has ${size} bytes`);
  const bytes = await readBytes(handle, name, LENGTH_BYTES, Number(length));
  const value = parse(bytes, invalid);
  const last = value.tensors.at(-1);
  const expected = end + (last === undefined ? 0 : last.begin + last.byteLength);
  if (size !== expected) {
    throw invalid(
      `its tensors end at byte ${expected}, but it has ${size} bytes${size < expected ? ': it is cut off' : ''}`,
    );
  }
  return { value, end };
}

function parse(bytes: Uint8Array, invalid: (what: string, cause: unknown) => LossmeterError): SafetensorsHeader {
  try {
    return parseHeader(bytes);
  } catch (error) {
    throw error instanceof LossmeterError ? invalid(error.message, error) : error;
  }
}
