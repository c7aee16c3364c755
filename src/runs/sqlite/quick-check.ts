import type { DatabaseSync } from 'node:sqlite';
import { SqliteError } from './sqlite-error.ts';

/** Largest database that is checked, in bytes: some 0.7 s. */
const MOST_BYTES = 256 * 2 ** 20;

/** Result code SQLITE_CORRUPT. */
const CORRUPT = 11;

/** Checks the structure of a database that is not too large for it. @throws Error of SQLite, SqliteError */
export function quickCheck(database: DatabaseSync): void {
  const { page_count: pages } = database.prepare('PRAGMA page_count').get() as { page_count: number };
  const { page_size: bytes } = database.prepare('PRAGMA page_size').get() as { page_size: number };
  if (pages * bytes > MOST_BYTES) return;
  const { quick_check: found } = database.prepare('PRAGMA quick_check(1)').get() as { quick_check: string };
  if (found !== 'ok') throw new SqliteError(`the file is damaged: ${found.replaceAll(/\s+/g, ' ')}`, CORRUPT);
}
