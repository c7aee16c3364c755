import type { BigIntStats } from 'node:fs';
import { lstat, readlink, realpath, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { isAbsolute, join, relative, sep } from 'node:path';
import { LossmeterError, refuse } from '../errors.ts';
import { showValue } from '../suggestion.ts';
import type { FileTensor } from '../tensor/file-tensor.ts';
import type { FileReference } from '../wire/tensors/file-reference.ts';
import { LocalFile } from './local-file.ts';

/**
 * Folder of the files that requests may name. A name is a path below it. The check uses the place of the opened file,
 * not the name. So a symbolic link can lead to another file of the folder but not out of it, and exchanging a link
 * meanwhile has no effect.
 */
export class DataDirectory {
  readonly #path: string;
  readonly #maxHeaderBytes: number;

  /** @param maxHeaderBytes longest header of a file, which is JSON */
  constructor(path: string, maxHeaderBytes: number) {
    this.#path = path;
    this.#maxHeaderBytes = maxHeaderBytes;
  }

  /** @throws Error for a missing folder */
  async requireFolder(): Promise<void> {
    const stats = await stat(this.#path).catch(() => undefined);
    if (stats?.isDirectory() !== true) throw new Error(`LOSSMETER_DATA_DIR is ${this.#path}, which is no folder`);
  }

  /**
   * Opens a file.
   * @throws LossmeterError file_forbidden, and errors of LocalFile.open
   */
  open(field: string, name: string): Promise<LocalFile> {
    requireInnerName(field, name);
    const path = join(this.#path, name);
    return LocalFile.open(path, {
      name: showValue(name),
      maxHeaderBytes: this.#maxHeaderBytes,
      requireAllowed: async (handle, stats) => {
        const place = await placeOf(handle, path, stats);
        if (place !== undefined && isWithin(await realpath(this.#path), place)) return;
        throw forbidden(field, `${showValue(name)} leads out of the data directory`);
      },
    }).catch((error: unknown) => {
      throw atFile(field, error);
    });
  }
}

/** Files of one request, each opened once. */
export class RequestFiles {
  readonly #directory: DataDirectory;
  readonly #opened = new Map<string, Promise<LocalFile>>();

  constructor(directory: DataDirectory) {
    this.#directory = directory;
  }

  /** True once a file was opened. */
  get areUsed(): boolean {
    return this.#opened.size > 0;
  }

  async open(field: string, { file, tensor }: FileReference): Promise<FileTensor> {
    const known = this.#opened.get(file);
    const opening = known ?? this.#directory.open(field, file);
    this.#opened.set(file, opening);
    return (await opening).tensor(field, tensor);
  }

  /** @throws LossmeterError file_changed when a file was changed since it was opened */
  async requireUnchanged(): Promise<void> {
    for (const opening of this.#opened.values()) await (await opening).requireUnchanged();
  }

  /** Closes the files. No read may be in progress. */
  async close(): Promise<void> {
    const opened = await Promise.allSettled(this.#opened.values());
    const files = opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const closed = await Promise.allSettled(files.map((file) => file.close()));
    const failed = closed.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
}

/** Adds the place of the file's name to an error about the file; returns other errors unchanged. */
function atFile(field: string, error: unknown): unknown {
  if (!(error instanceof LossmeterError) || error.status !== 422 || error.places.length > 0) return error;
  const { code, message } = error;
  return new LossmeterError(code, message, [{ pointer: `/${field}/file`, detail: message }], { cause: error });
}

function forbidden(field: string, what: string): LossmeterError {
  const detail = `${what}: expected the path of a file below it, such as "step-100.safetensors"`;
  return refuse('file_forbidden', `/${field}/file`, detail);
}

/**
 * Checks a name before the file is opened.
 * @throws LossmeterError file_forbidden
 */
function requireInnerName(field: string, name: string): void {
  const shown = showValue(name);
  if (name === '') throw forbidden(field, `the file of ${field} is ""`);
  if (name.includes('\0')) throw forbidden(field, `${shown} holds a NUL character`);
  if (isAbsolute(name)) throw forbidden(field, `${shown} is an absolute path, files stand in the data directory`);
  if (name.split(/[\\/]/).includes('..'))
    throw forbidden(field, `${shown} holds .., files stand in the data directory`);
}

/**
 * Path of an open file. On Linux the kernel provides it. Elsewhere the path is resolved again, and must lead to the
 * same file; undefined when it does not.
 */
async function placeOf(handle: FileHandle, path: string, { dev, ino }: BigIntStats): Promise<string | undefined> {
  if (process.platform === 'linux') return readlink(`/proc/self/fd/${handle.fd}`);
  const place = await realpath(path);
  const there = await lstat(place, { bigint: true });
  return there.dev === dev && there.ino === ino ? place : undefined;
}

function isWithin(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}
