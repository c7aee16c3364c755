import type { BigIntStats } from 'node:fs';
import { lstat, readlink, realpath, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { isAbsolute, join, relative, sep } from 'node:path';
import { refuse } from '../errors.ts';
import type { LossmeterError } from '../errors.ts';
import { placeIn, showValue } from '../suggestion.ts';
import { findFiles } from './find-files.ts';
import type { NamedFile } from './find-files.ts';
import type { NamePlace } from './name-place.ts';
import { localOpener } from './open-file.ts';
import type { FileOpener } from './readable-file.ts';

/**
 * Folder of the files that requests may name. A name is a path below it. The check uses the path of the opened file, not
 * the name. So a symbolic link can lead to another file of the folder but not out of it, and exchanging a link after the
 * file was opened has no effect.
 */
export class DataDirectory {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** @throws Error for a missing folder */
  async requireFolder(): Promise<void> {
    const stats = await stat(this.#path).catch(() => undefined);
    if (stats?.isDirectory() !== true) throw new Error(`LOSSMETER_DATA_DIR is ${this.#path}, which is not a folder`);
  }

  /**
   * Finds files by their names, by folders and by patterns.
   * @throws LossmeterError file_forbidden, and errors of findFiles
   */
  async find(place: NamePlace, name: string, most: number): Promise<NamedFile[]> {
    requireInnerName(place, name);
    const root = await realpath(this.#path);
    return findFiles(root, [name], {
      most,
      requireAllowed: async (one) => {
        if (isWithin(root, await realpath(join(root, one)))) return;
        throw forbidden(place, `${showValue(one)} leads out of the data directory`);
      },
    });
  }

  /**
   * Opens a file of the folder.
   * @throws LossmeterError file_forbidden, and errors of OpenFile.open
   */
  opener(place: NamePlace, name: string): FileOpener {
    requireInnerName(place, name);
    const path = join(this.#path, name);
    return localOpener(path, {
      name: showValue(name),
      requireAllowed: async (handle, stats) => {
        const real = await placeOf(handle, path, stats);
        if (real !== undefined && isWithin(await realpath(this.#path), real)) return;
        throw forbidden(place, `${showValue(name)} leads out of the data directory`);
      },
    });
  }
}

function forbidden({ field, key, example }: NamePlace, what: string): LossmeterError {
  const detail = `${what}: expected a path below the data directory, such as "${example}"`;
  return refuse('file_forbidden', placeIn(field, key), detail);
}

/**
 * Checks a name before the file is opened.
 * @throws LossmeterError file_forbidden
 */
function requireInnerName(place: NamePlace, name: string): void {
  const shown = showValue(name);
  if (name === '') throw forbidden(place, `the name of the file of ${place.field} is empty`);
  if (name.includes('\0')) throw forbidden(place, `${shown} contains a NUL character`);
  if (isAbsolute(name)) throw forbidden(place, `${shown} is an absolute path`);
  if (name.split(/[\\/]/).includes('..')) throw forbidden(place, `${shown} contains ".."`);
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
