import type { BigIntStats } from 'node:fs';
import { lstat, readlink, realpath, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { isAbsolute, join, relative, sep } from 'node:path';
import { LossmeterError, refuse } from '../errors.ts';
import { showValue } from '../suggestion.ts';
import type { FileTensor } from '../tensor/file-tensor.ts';
import type { FileReference, TensorFiles } from '../wire/tensors/file-reference.ts';
import { LocalFile } from './local-file.ts';

/**
 * The folder of files that requests may name. A name is a path below it. What counts in the end is where the opened
 * file stands, not where its name seemed to lead: a symbolic link may lead to another file of the folder, not out of it,
 * and it does not help to exchange one meanwhile.
 */
export class DataDirectory {
  readonly #path: string;
  readonly #maxHeaderBytes: number;

  /** @param maxHeaderBytes longest header of a file, which is JSON */
  constructor(path: string, maxHeaderBytes: number) {
    this.#path = path;
    this.#maxHeaderBytes = maxHeaderBytes;
  }

  /** @throws Error when there is no such folder */
  async requireFolder(): Promise<void> {
    const stats = await stat(this.#path).catch(() => undefined);
    if (stats?.isDirectory() !== true) throw new Error(`LOSSMETER_DATA_DIR is ${this.#path}, which is no folder`);
  }

  /** Opens a file. @throws LossmeterError file_forbidden, and as LocalFile.open */
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

/** The files of one request, each opened once. */
export class RequestFiles implements TensorFiles {
  readonly #directory: DataDirectory;
  readonly #opened = new Map<string, Promise<LocalFile>>();

  constructor(directory: DataDirectory) {
    this.#directory = directory;
  }

  /** True once one was opened. */
  get areUsed(): boolean {
    return this.#opened.size > 0;
  }

  async open(field: string, { file, tensor }: FileReference): Promise<FileTensor> {
    const known = this.#opened.get(file);
    const opening = known ?? this.#directory.open(field, file);
    this.#opened.set(file, opening);
    return (await opening).tensor(field, tensor);
  }

  /** @throws LossmeterError file_changed when one of them was, since it was opened */
  async requireUnchanged(): Promise<void> {
    for (const opening of this.#opened.values()) await (await opening).requireUnchanged();
  }

  /** Nothing may read from them any more. */
  async close(): Promise<void> {
    for (const opened of await Promise.allSettled(this.#opened.values())) {
      if (opened.status === 'fulfilled') await opened.value.close();
    }
  }
}

/** A refusal of the file itself, with the place that names it; any other error as it is. */
function atFile(field: string, error: unknown): unknown {
  if (!(error instanceof LossmeterError) || error.status !== 422 || error.places.length > 0) return error;
  const { code, message } = error;
  return new LossmeterError(code, message, [{ pointer: `/${field}/file`, detail: message }], { cause: error });
}

function forbidden(field: string, what: string): LossmeterError {
  const detail = `${what}: expected the path of a file below it, such as "step-100.safetensors"`;
  return refuse('file_forbidden', `/${field}/file`, detail);
}

/** What can be seen from the name alone. @throws LossmeterError file_forbidden */
function requireInnerName(field: string, name: string): void {
  const shown = showValue(name);
  if (name === '') throw forbidden(field, `the file of ${field} is ""`);
  if (name.includes('\0')) throw forbidden(field, `${shown} holds a NUL character`);
  if (isAbsolute(name)) throw forbidden(field, `${shown} is an absolute path, files stand in the data directory`);
  if (name.split(/[\\/]/).includes('..'))
    throw forbidden(field, `${shown} holds .., files stand in the data directory`);
}

/**
 * Where an open file stands. On Linux the kernel tells. Elsewhere its path is resolved again, and must lead to the same
 * file; undefined when it does not.
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
