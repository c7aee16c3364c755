import type { DatabaseSync } from 'node:sqlite';
import { LossmeterError } from '../../errors.ts';
import { DatabaseFiles, LogLostError } from './integrity.ts';
import { Reserve } from './reserve.ts';
import type { SharedFacts } from './shared-facts.ts';
import { isCorrupt, isFull } from './sqlite-error.ts';

/** Number of checks between two computations of every checksum of the log. */
const CHECKS_PER_FULL_LOOK = 15;

/** Least free bytes, on the disk or in the file, that a recording requires. */
const LEAST_FREE_BYTES = 2 ** 18;

/** Kind of a change: `growing` needs disk space permanently, `shrinking` temporarily. */
export type ChangeKind = 'growing' | 'shrinking';

/**
 * `log_lost`: after rescue(), all connections must be closed and opened again; no commit is lost. `damaged`: a file was
 * overwritten, and one connection must stay open, because SQLite copies the log into the file when the last one is closed.
 */
export type GuardState = 'intact' | 'log_lost' | 'damaged';

/**
 * Verifies the files before and after each change of a database, and keeps disk space for deletions.
 *
 * All methods throw LossmeterError store_unavailable while nothing may be written.
 */
export class WriteGuard {
  readonly #database: DatabaseSync;
  readonly #files: DatabaseFiles;
  readonly #reserve: Reserve;
  #hasFailed = false;
  /**
   * True from a change that found the disk full until there is space again: only a few small changes could succeed
   * meanwhile.
   */
  #isFull = false;
  readonly #facts: SharedFacts;
  #checks = 0;

  /** @param path of the file of the database, which is in WAL mode and has read or written once */
  constructor(database: DatabaseSync, path: string, facts: SharedFacts) {
    this.#database = database;
    this.#facts = facts;
    facts.isLogLost = false;
    this.#files = new DatabaseFiles(database, path, facts);
    this.#reserve = new Reserve(path);
    this.#reserve.keep();
  }

  get state(): GuardState {
    if (this.#files.isDamaged) return 'damaged';
    return this.#facts.isLogLost ? 'log_lost' : 'intact';
  }

  /** Compares the files with their last known state. */
  verify(): void {
    this.#watch(() => this.#files.verify());
  }

  /**
   * Makes a change. On return the change is in the files at their paths; or `state` is `log_lost`, and the change is in
   * the log to be rescued.
   * @param transaction makes the change completely or not at all
   */
  change<T>(kind: ChangeKind, transaction: () => T): T {
    return this.#watch(() => {
      this.#files.verify();
      if (kind === 'growing' && !this.#hasSpace()) throw full();
      const result = kind === 'growing' ? transaction() : this.#shrink(transaction);
      if (this.#confirm()) this.#files.checkpoint();
      this.#hasFailed = false;
      return result;
    });
  }

  /**
   * Checks that a change would succeed.
   * @param probe a transaction, which is tried when the last change failed
   */
  check(probe: () => void): void {
    this.#watch(() => {
      if (this.#checks++ % CHECKS_PER_FULL_LOOK === 0) this.#files.verifyAll();
      else this.#files.verify();
      if (!this.#hasSpace()) throw full();
    });
    if (this.#hasFailed) this.change('growing', probe);
  }

  /**
   * Refuses all changes from now on.
   * @param found description of the damage
   */
  condemn(found: string): void {
    this.#files.condemn(found);
  }

  /** Copies a lost log into the file. @throws LossmeterError store_unavailable when another process prevents it */
  rescue(): void {
    this.#files.rescue();
  }

  close(): void {
    this.#files.close();
  }

  #watch<T>(use: () => T): T {
    try {
      return use();
    } catch (error) {
      this.#hasFailed = true;
      if (isFull(error)) this.#isFull = true;
      if (isCorrupt(error)) this.#files.condemn(`the file is damaged: ${reasonOf(error)}`);
      if (error instanceof LogLostError) this.#facts.isLogLost = true;
      throw isFull(error) ? full(error) : error;
    }
  }

  /** @returns false when the log was lost: the change is committed in that log, and must not be repeated */
  #confirm(): boolean {
    try {
      this.#files.confirm();
      return true;
    } catch (error) {
      if (!(error instanceof LogLostError)) throw error;
      this.#facts.isLogLost = true;
      return false;
    }
  }

  /** Makes a change; when the disk is full, it releases the reserve and repeats the change. */
  #shrink<T>(transaction: () => T): T {
    try {
      return transaction();
    } catch (error) {
      if (!isFull(error)) throw error;
    }
    this.#reserve.release();
    this.#files.restartLog();
    return transaction();
  }

  /** Returns true when the reserve is kept, or the file has free pages for recordings. */
  #hasSpace(): boolean {
    if (this.#isFull && this.#reserve.freeBytes < LEAST_FREE_BYTES && this.#freeBytesInFile < LEAST_FREE_BYTES)
      return false;
    this.#isFull = false;
    return this.#reserve.keep() || this.#freeBytesInFile >= LEAST_FREE_BYTES;
  }

  get #freeBytesInFile(): number {
    const { freelist_count: pages } = this.#database.prepare('PRAGMA freelist_count').get() as {
      freelist_count: number;
    };
    const { page_size: bytes } = this.#database.prepare('PRAGMA page_size').get() as { page_size: number };
    return pages * bytes;
  }
}

/** Message of SQLite, without advice. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? cause.message : message;
}

function full(cause?: unknown): LossmeterError {
  const detail = 'the history cannot be written: the disk is full. Make space, or delete runs';
  return new LossmeterError('store_unavailable', detail, [], { cause });
}
