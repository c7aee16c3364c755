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

/** Codes SQLITE_FULL and SQLITE_IOERR_SHMSIZE: a file, or the index of the log, that cannot grow. */
const FULL = new Set([13, 4874]);

/** Returns true when the disk has no space. */
export function isFull(error: unknown): boolean {
  const code = resultCodeOf(error) ?? resultCodeOf((error as Error).cause);
  return code !== undefined && FULL.has(code);
}
