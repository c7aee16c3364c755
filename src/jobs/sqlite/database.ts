import { DatabaseSync } from 'node:sqlite';
import type { StatementSync } from 'node:sqlite';
import type { Row } from '../../runs/rows.ts';
import { adviseOn } from '../../runs/sqlite/advice.ts';
import { BUSY_MS, migrate } from '../../runs/sqlite/database.ts';
import { explain } from '../../runs/sqlite/explain.ts';
import { OpenError } from '../../runs/sqlite/open-error.ts';
import type { JobDatabase, JobParameter, JobQueries } from '../database.ts';
import { MIGRATIONS } from './migrations.ts';

/** A SQLite file with the tables of the jobs. Calls must be sequential: see worker.ts. */
export class SqliteJobDatabase implements JobDatabase {
  readonly #database: DatabaseSync;
  readonly #prepared = new Map<string, StatementSync>();

  /** @param path of a file, created when missing; or `:memory:` @throws OpenError */
  constructor(path: string) {
    let database: DatabaseSync | undefined;
    try {
      database = new DatabaseSync(path, { timeout: BUSY_MS });
      database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;');
      migrate(database, MIGRATIONS);
    } catch (cause) {
      database?.close();
      throw new OpenError(path, adviseOn(cause), { cause });
    }
    this.#database = database;
  }

  async rows(sql: string, ...values: JobParameter[]): Promise<Row[]> {
    try {
      return this.#prepare(sql).all(...values);
    } catch (error) {
      throw explain(error);
    }
  }

  async first(sql: string, ...values: JobParameter[]): Promise<Row | undefined> {
    return (await this.rows(sql, ...values))[0];
  }

  async transaction<T>(change: (queries: JobQueries) => Promise<T>): Promise<T> {
    await this.rows('BEGIN IMMEDIATE');
    try {
      const result = await change(this);
      await this.rows('COMMIT');
      return result;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#prepared.clear();
    this.#database.close();
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#prepared.get(sql);
    if (statement === undefined) this.#prepared.set(sql, (statement = this.#database.prepare(translate(sql))));
    return statement;
  }
}

/** Translates a statement: SQLite has no schema `lossmeter`, numbers its parameters with `?`, and locks the whole file. */
function translate(sql: string): string {
  return sql
    .replaceAll('lossmeter.', '')
    .replaceAll(/\$(\d+)/g, '?$1')
    .replace(' FOR UPDATE', '');
}
