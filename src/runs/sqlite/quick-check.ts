import type { DatabaseSync } from 'node:sqlite';
import { SqliteError, resultCodeOf } from './sqlite-error.ts';

/** Largest database that is checked, in bytes: some 0.7 s. */
const MOST_BYTES = 256 * 2 ** 20;

/** Primary result codes SQLITE_CORRUPT and SQLITE_NOTADB. */
const CORRUPT = 11;
const NO_DATABASE = 26;

/**
 * Checks the structure of a database that is not too large for it.
 * @throws SqliteError that says what is damaged
 * @throws Error of SQLite that has another reason
 */
export function quickCheck(database: DatabaseSync): void {
  const found = find(database);
  if (found !== 'ok') throw new SqliteError(`the file is damaged: ${found.replaceAll(/\s+/g, ' ')}`, CORRUPT);
}

function find(database: DatabaseSync): string {
  try {
    const { page_count: pages } = database.prepare('PRAGMA page_count').get() as { page_count: number };
    const { page_size: bytes } = database.prepare('PRAGMA page_size').get() as { page_size: number };
    if (pages * bytes > MOST_BYTES) return 'ok';
    return (database.prepare('PRAGMA quick_check(1)').get() as { quick_check: string }).quick_check;
  } catch (error) {
    const code = (resultCodeOf(error) ?? 0) & 0xff;
    if (code !== CORRUPT && code !== NO_DATABASE) throw error;
    return (error as Error).message;
  }
}
