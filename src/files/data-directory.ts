import type { BigIntStats } from 'node:fs';
import { lstat, readlink, realpath, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { isAbsolute, join, relative, sep } from 'node:path';
import { LossmeterError, refuse } from '../errors.ts';
import { placeIn, showValue } from '../suggestion.ts';
import type { FileTensor } from '../tensor/file-tensor.ts';
import type { LogitFileRows } from '../tensor/logit-file-rows.ts';
import type { FileReference } from '../wire/tensors/file-reference.ts';
import { findFiles } from './find-files.ts';
import type { NamedFile } from './find-files.ts';
import { LocalFile } from './local-file.ts';
import { LogitFile } from './logit-file.ts';
import type { OpenFileOptions } from './open-file.ts';

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
   * Opens a safetensors file.
   * @throws LossmeterError file_forbidden, and errors of LocalFile.open
   */
  open(field: string, name: string): Promise<LocalFile> {
    const place = { field, key: 'file', example: 'step-100.safetensors' };
    return this.#open(place, name, (path, options) =>
      LocalFile.open(path, { ...options, maxHeaderBytes: this.#maxHeaderBytes }),
    );
  }

  /**
   * Opens a llama.cpp logit file.
   * @throws LossmeterError file_forbidden, and errors of LogitFile.open
   */
  openLogitFile(field: string, name: string): Promise<LogitFile> {
    return this.#open({ field, key: 'kld_file', example: 'base.kld' }, name, (path, options) =>
      LogitFile.open(path, options),
    );
  }

  /**
   * Finds files by their names, by folders and by patterns.
   * @throws LossmeterError file_forbidden, and errors of findFiles
   */
  async find(field: string, names: readonly string[], most: number): Promise<NamedFile[]> {
    const place = { field, key: '0', example: 'step-100/*.safetensors' };
    names.forEach((name, index) => requireInnerName({ ...place, key: String(index) }, name));
    const root = await realpath(this.#path);
    return findFiles(root, names, {
      most,
      requireAllowed: async (name) => {
        if (isWithin(root, await realpath(join(root, name)))) return;
        throw forbidden(place, `${showValue(name)} leads out of the data directory`);
      },
    });
  }

  #open<F>(place: NamePlace, name: string, open: (path: string, options: OpenFileOptions) => Promise<F>): Promise<F> {
    requireInnerName(place, name);
    const path = join(this.#path, name);
    return open(path, {
      name: showValue(name),
      requireAllowed: async (handle, stats) => {
        const real = await placeOf(handle, path, stats);
        if (real !== undefined && isWithin(await realpath(this.#path), real)) return;
        throw forbidden(place, `${showValue(name)} leads out of the data directory`);
      },
    }).catch((error: unknown) => {
      throw atFile(place, error);
    });
  }
}

/** Place of a file's name in a request. */
interface NamePlace {
  readonly field: string;
  readonly key: string;
  /** A name that could stand there. */
  readonly example: string;
}

/** Files of one request, each opened once. */
export class RequestFiles {
  readonly #directory: DataDirectory;
  readonly #opened = new Map<string, Promise<LocalFile>>();
  /** A request names one at most. */
  #logitFile: Promise<LogitFile> | undefined;

  constructor(directory: DataDirectory) {
    this.#directory = directory;
  }

  /** True once a file was opened. */
  get areUsed(): boolean {
    return this.#opening.length > 0;
  }

  async open(field: string, { file, tensor }: FileReference): Promise<FileTensor> {
    const known = this.#opened.get(file);
    const opening = known ?? this.#directory.open(field, file);
    this.#opened.set(file, opening);
    return (await opening).tensor(field, tensor);
  }

  async openLogitFile(field: string, name: string): Promise<LogitFileRows> {
    this.#logitFile = this.#directory.openLogitFile(field, name);
    return (await this.#logitFile).rows(field);
  }

  get #opening(): readonly Promise<LocalFile | LogitFile>[] {
    return [...this.#opened.values(), ...(this.#logitFile === undefined ? [] : [this.#logitFile])];
  }

  /** @throws LossmeterError file_changed when a file was changed since it was opened */
  async requireUnchanged(): Promise<void> {
    for (const opening of this.#opening) await (await opening).requireUnchanged();
  }

  /** Closes the files. No read may be in progress. */
  async close(): Promise<void> {
    const opened = await Promise.allSettled(this.#opening);
    const files = opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const closed = await Promise.allSettled(files.map((file) => file.close()));
    const failed = closed.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
}

/** Adds the place of the file's name to an error about the file; returns other errors unchanged. */
function atFile({ field, key }: NamePlace, error: unknown): unknown {
  if (!(error instanceof LossmeterError) || error.status !== 422 || error.places.length > 0) return error;
  const { code, message } = error;
  return new LossmeterError(code, message, [{ pointer: placeIn(field, key), detail: message }], { cause: error });
}

function forbidden({ field, key, example }: NamePlace, what: string): LossmeterError {
  const detail = `${what}: expected the path of a file below it, such as "${example}"`;
  return refuse('file_forbidden', placeIn(field, key), detail);
}

/**
 * Checks a name before the file is opened.
 * @throws LossmeterError file_forbidden
 */
function requireInnerName(place: NamePlace, name: string): void {
  const shown = showValue(name);
  if (name === '') throw forbidden(place, `the file of ${place.field} is ""`);
  if (name.includes('\0')) throw forbidden(place, `${shown} holds a NUL character`);
  if (isAbsolute(name)) throw forbidden(place, `${shown} is an absolute path, files stand in the data directory`);
  if (name.split(/[\\/]/).includes('..'))
    throw forbidden(place, `${shown} holds .., files stand in the data directory`);
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
