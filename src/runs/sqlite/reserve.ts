import { closeSync, fsyncSync, openSync, rmSync, statSync, statfsSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { openDatabase } from './database.ts';
import type { Access } from './database.ts';
import { OpenError } from './open-error.ts';
import { isFull } from './sqlite-error.ts';

/** Bytes of the reserve: enough for the log of a deletion and for the database pages of the log before it. */
const RESERVE_BYTES = 8 * 2 ** 20;

/** Bytes per write. */
const BLOCK = 2 ** 20;

/** Milliseconds between attempts to write the reserve. */
const PAUSE_MS = 1000;

/**
 * A file beside the database that reserves disk space. SQLite needs space even to delete; the file is released then.
 * While it is missing nothing is recorded, so that recordings do not use up the space.
 */
export class Reserve {
  readonly #path: string;
  #lastAttempt = -Infinity;

  /** @param path of the database file */
  constructor(path: string) {
    this.#path = `${path}-reserve`;
  }

  /**
   * Writes the file when it is missing or too short, at most once a second.
   * @returns false when the disk has no space for it
   */
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

  /** Bytes available to this process in the file system, besides the reserve. */
  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(dirname(this.#path));
    return bavail * bsize;
  }

  /** Releases the space. */
  release(): void {
    rmSync(this.#path, { force: true });
    this.#lastAttempt = performance.now();
  }
}

/** Writes real blocks: a sparse file would reserve no space. */
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
 * Opens a database. When the disk has no space for its log and the log's index, releases the reserve first.
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
