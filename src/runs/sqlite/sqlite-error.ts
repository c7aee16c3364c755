import { LossmeterError } from '../../errors.ts';

/** An error of SQLite, with its result code. Errors of node:sqlite have the same field. */
export class SqliteError extends Error {
  override readonly name = 'SqliteError';
  /** Extended result code: https://www.sqlite.org/rescode.html. Its low byte is the primary code. */
  readonly errcode: number;

  constructor(message: string, errcode: number) {
    super(message);
    this.errcode = errcode;
  }
}

/** Extended result code of an error; undefined when it is not an error of SQLite. */
export function resultCodeOf(error: unknown): number | undefined {
  const code = (error as { errcode?: unknown } | undefined)?.errcode;
  return typeof code === 'number' ? code : undefined;
}

/** Primary result code of an SQLite error, or of an error caused by one. */
function primaryCodeOf(error: unknown): number | undefined {
  const code = resultCodeOf(error) ?? resultCodeOf((error as Error | undefined)?.cause);
  return code === undefined ? undefined : code & 0xff;
}

/** Primary codes SQLITE_CORRUPT and SQLITE_NOTADB. */
const CORRUPT = new Set([11, 26]);

/** Returns true when the content of the file is damaged. */
export function isCorrupt(error: unknown): boolean {
  return CORRUPT.has(primaryCodeOf(error) ?? 0);
}

/** Primary codes SQLITE_BUSY and SQLITE_LOCKED. */
const BUSY = new Set([5, 6]);

/** Returns true when another connection has a lock. */
export function isBusy(error: unknown): boolean {
  return BUSY.has(primaryCodeOf(error) ?? 0);
}

/** Primary codes SQLITE_TOOBIG, SQLITE_CONSTRAINT and SQLITE_MISMATCH: faults of the values of a statement. */
const VALUES = new Set([18, 19, 20]);

/** Returns true for an error that concerns the database or its files, and not only the values of one statement. */
export function isOfDatabase(error: unknown): boolean {
  if (error instanceof LossmeterError && error.code === 'store_unavailable') return true;
  const code = primaryCodeOf(error);
  return code !== undefined && !VALUES.has(code);
}

/** Codes SQLITE_FULL and SQLITE_IOERR_SHMSIZE: a file, or the index of the log, that cannot grow. */
const FULL = new Set([13, 4874]);

/** Returns true when the disk has no space. */
export function isFull(error: unknown): boolean {
  const code = resultCodeOf(error) ?? resultCodeOf((error as Error).cause);
  return code !== undefined && FULL.has(code);
}
