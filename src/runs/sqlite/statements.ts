import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite';
import type { Row } from '../rows.ts';
import { inSavepoint, inTransaction } from './database.ts';
import type { ChangeKind, WriteGuard } from './guard.ts';
import { explain } from './explain.ts';

/**
 * Statements of a database, each prepared once. All methods throw LossmeterError store_unavailable for faults that may
 * be temporary.
 */
export class Statements {
  readonly #database: DatabaseSync;
  readonly #guard: WriteGuard | undefined;
  readonly #prepared = new Map<string, StatementSync>();

  /** @param guard protects the files of a writable database */
  constructor(database: DatabaseSync, guard?: WriteGuard) {
    this.#database = database;
    this.#guard = guard;
  }

  /** The first row; undefined when there is none. */
  get(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#attempt(() => this.#prepare(sql).get(...values));
  }

  all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#attempt(() => this.#prepare(sql).all(...values));
  }

  /** Rows as arrays: faster than objects for many rows. */
  arrays(sql: string, ...values: SQLInputValue[]): SQLOutputValue[][] {
    return this.#attempt(() => {
      const statement = this.#prepare(sql);
      statement.setReturnArrays(true);
      return statement.all(...values) as unknown as SQLOutputValue[][];
    });
  }

  /** @returns number of changed rows */
  run(sql: string, ...values: SQLInputValue[]): number {
    return this.#attempt(() => Number(this.#prepare(sql).run(...values).changes));
  }

  /** Rows one by one, read on demand. */
  *iterate(sql: string, ...values: SQLInputValue[]): Generator<Row, void> {
    try {
      yield* this.#prepare(sql).iterate(...values);
    } catch (error) {
      throw explain(error);
    }
  }

  /**
   * Runs several statements on one snapshot of the database: all or none of them see a change of another connection.
   * @param read synchronous: an open snapshot prevents copying the log into the file
   */
  snapshot<T>(read: () => T): T {
    if (this.#database.isTransaction) return read();
    return this.#attempt(() => {
      this.#prepare('BEGIN').run();
      try {
        return read();
      } finally {
        // A failing disk can make SQLite end the transaction.
        if (this.#database.isTransaction) this.#prepare('ROLLBACK').run();
      }
    });
  }

  /** Runs a change that takes effect completely or not at all. */
  transaction<T>(change: () => T, kind: ChangeKind = 'growing'): T {
    const transaction = (): T => inTransaction(this.#database, change);
    return this.#guard === undefined ? transaction() : this.#guard.change(kind, transaction);
  }

  /** Runs a part of a transaction that takes effect completely or not at all. */
  savepoint<T>(change: () => T): T {
    return inSavepoint(this.#database, change);
  }

  get isTransaction(): boolean {
    return this.#database.isTransaction;
  }

  close(): void {
    this.#prepared.clear();
    this.#database.close();
    this.#guard?.close();
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#prepared.get(sql);
    if (statement === undefined) this.#prepared.set(sql, (statement = this.#database.prepare(sql)));
    return statement;
  }

  #attempt<T>(use: () => T): T {
    try {
      return use();
    } catch (error) {
      throw explain(error);
    }
  }
}
