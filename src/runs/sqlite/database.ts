import { accessSync, constants, existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { adviseOn } from './advice.ts';
import { MIGRATIONS } from './migrations/index.ts';
import { OpenError } from './open-error.ts';
import { quickCheck } from './quick-check.ts';
import { explain } from './explain.ts';

/**
 * Opens a database, and brings its schema up to date. With a write-ahead log readers do not wait for writers.
 * `synchronous` is FULL: a committed transaction is on the disk and survives a crash of the machine.
 * @param path of a file, which need not exist; or `:memory:`
 * @param access `read` for a database that was opened with `write` before
 * @throws OpenError
 */
export function openDatabase(path: string, access: Access = 'write'): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    if (path !== ':memory:') requireWritable(path);
    database = new DatabaseSync(path, { timeout: BUSY_MS });
    database.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;',
    );
    if (access === 'read') {
      database.exec(`PRAGMA cache_size = -${READER_CACHE_KIB}`);
      return database;
    }
    // Checks the file before writing to it.
    quickCheck(database);
    migrate(database, MIGRATIONS);
    return database;
  } catch (cause) {
    database?.close();
    throw new OpenError(path, adviseOn(cause), { cause });
  }
}

/** Use of a connection. */
export type Access = 'write' | 'read';

/** Page cache of a reader, in KiB: enough for the losses of a run of a million steps. */
const READER_CACHE_KIB = 32_768;

/** Milliseconds that the thread of the store waits for a lock of another process. */
export const BUSY_MS = 1000;

/** Brings a schema up to date. @throws Error for the schema of a newer version */
export function migrate(database: DatabaseSync, migrations: readonly string[]): void {
  inTransaction(database, () => {
    const { user_version: version } = database.prepare('PRAGMA user_version').get() as { user_version: number };
    if (version > migrations.length) {
      throw new Error(`its schema is version ${version}, this Lossmeter knows ${migrations.length}`);
    }
    for (const migration of migrations.slice(version)) database.exec(migration);
    if (version < migrations.length) database.exec(`PRAGMA user_version = ${migrations.length}`);
  });
}

/**
 * Checks write access: SQLite also opens a read-only file, and then creates a read-only log.
 * @throws Error of the operating system
 */
function requireWritable(path: string): void {
  for (const needed of [dirname(resolve(path)), path]) if (existsSync(needed)) accessSync(needed, constants.W_OK);
}

/**
 * Runs a transaction, which takes effect completely or not at all. Takes the write lock at the beginning: a lock that is
 * taken later could conflict with another writer.
 */
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

/**
 * Runs a part of a transaction, which takes effect completely or not at all. The transaction continues after a failed
 * part.
 */
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
