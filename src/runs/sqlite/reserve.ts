import { closeSync, fsyncSync, openSync, rmSync, statSync, statfsSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { openDatabase } from './database.ts';
import type { Access } from './database.ts';
import { OpenError } from './open-error.ts';
import { isFull } from './sqlite-error.ts';

/** Bytes of the reserve: the log of a deletion, and the pages that the log before it adds to the database file. */
const RESERVE_BYTES = 8 * 2 ** 20;

/** Bytes that are written at a time. */
const BLOCK = 2 ** 20;

/** Milliseconds between attempts to write the reserve. */
const PAUSE_MS = 1000;

/**
 * A file beside the database that keeps disk space. SQLite needs space to delete, too: it is given back then. While it
 * is missing nothing is recorded, so that recordings do not use it up.
 */
export class Reserve {
  readonly #path: string;
  #lastAttempt = -Infinity;

  /** @param path of the database file */
  constructor(path: string) {
    this.#path = `${path}-reserve`;
  }

  /** Writes the file where it is missing or short, at most once a second. @returns false when there is no space for it */
  keep(): boolean {
    if (statSync(this.#path, { throwIfNoEntry: false })?.size === RESERVE_BYTES) return true;
    if (performance.now() - this.#lastAttempt < PAUSE_MS) return false;
    this.#lastAttempt = performance.now();
    try {
      writeZeros(this.#path);
      return true;
    } catch {
      rmSync(this.#path, { force: true });
      return false;
    }
  }

  /** Bytes that the file system has for this process, beside the reserve. */
  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(dirname(this.#path));
    return bavail * bsize;
  }

  /** Gives the space back. */
  release(): void {
    rmSync(this.#path, { force: true });
    this.#lastAttempt = performance.now();
  }
}

/** A file of holes would keep no space. */
function writeZeros(path: string): void {
  const descriptor = openSync(path, 'w', 0o600);
  try {
    const zeros = Buffer.alloc(BLOCK);
    for (let written = 0; written < RESERVE_BYTES;)
      written += writeSync(descriptor, zeros, 0, Math.min(BLOCK, RESERVE_BYTES - written));
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Opens a database. Its log and the index of that take space, which the reserve has where the disk has none.
 * @throws OpenError
 */
export function openWithSpace(path: string, access: Access): DatabaseSync {
  try {
    return openDatabase(path, access);
  } catch (error) {
    if (!(error instanceof OpenError) || !isFull(error.cause)) throw error;
    new Reserve(path).release();
    return openDatabase(path, access);
  }
}
