import { DatabaseSync } from 'node:sqlite';
import { LossmeterError } from '../../errors.ts';
import { MIGRATIONS } from './migrations/index.ts';

/**
 * Opens a database, and brings its schema up to date. With a write-ahead log readers wait for no writer; `synchronous` is
 * FULL, so that a transaction is on the disk when it has been committed, whatever happens to the machine.
 * @param path of a file, which need not be there; or `:memory:`
 * @throws Error that names the file
 */
export function openDatabase(path: string): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: BUSY_MS });
    database.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;',
    );
    migrate(database);
    return database;
  } catch (cause) {
    database?.close();
    throw new Error(`LOSSMETER_STORE is ${path}: ${(cause as Error).message}`, { cause });
  }
}

/** Milliseconds that the thread of the store waits for a lock of another process. */
const BUSY_MS = 1000;

function migrate(database: DatabaseSync): void {
  inTransaction(database, () => {
    const { user_version: version } = database.prepare('PRAGMA user_version').get() as { user_version: number };
    if (version > MIGRATIONS.length) {
      throw new Error(`its schema is version ${version}, this Lossmeter knows ${MIGRATIONS.length}`);
    }
    for (const migration of MIGRATIONS.slice(version)) database.exec(migration);
    if (version < MIGRATIONS.length) database.exec(`PRAGMA user_version = ${MIGRATIONS.length}`);
  });
}

/** What may pass, by the primary result codes of SQLite: busy, locked, not writable, failing, full or not to be opened. */
const PASSING = new Set([5, 6, 8, 10, 13, 14]);

/** What an error of SQLite means. @returns LossmeterError store_unavailable for what may pass; else as it is */
export function explain(error: unknown): unknown {
  const { errcode, message } = error as { errcode?: number; message: string };
  if (errcode === undefined || !PASSING.has(errcode & 0xff)) return error;
  return new LossmeterError('store_unavailable', `the history says: ${message}`, [], { cause: error });
}

/** All of it, or nothing. It takes the right to write at once: one that came later could find another's in its way. */
export function inTransaction<T>(database: DatabaseSync, change: () => T): T {
  try {
    database.exec('BEGIN IMMEDIATE');
    const result = change();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw explain(error);
  }
}

/** The same of a part of a transaction, which goes on without it. */
export function inSavepoint<T>(database: DatabaseSync, change: () => T): T {
  database.exec('SAVEPOINT part');
  try {
    const result = change();
    database.exec('RELEASE part');
    return result;
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK TO part; RELEASE part');
    throw explain(error);
  }
}
