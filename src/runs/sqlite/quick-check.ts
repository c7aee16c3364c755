import type { DatabaseSync } from 'node:sqlite';
import { SqliteError, isCorrupt } from './sqlite-error.ts';

/** Largest database that is checked, in bytes: this takes about 0.7 s. */
const MOST_BYTES = 256 * 2 ** 20;

/** Primary result code SQLITE_CORRUPT. */
const CORRUPT = 11;

/**
 * Checks the structure of a database, unless it is too large.
 * @throws SqliteError that describes the damage
 * @throws Error of SQLite for any other reason
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
    if (!isCorrupt(error)) throw error;
    return (error as Error).message;
  }
}
