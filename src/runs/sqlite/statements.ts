import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite';
import { inSavepoint, inTransaction } from './database.ts';
import type { ChangeKind, WriteGuard } from './guard.ts';
import { explain } from './explain.ts';

/** A row as node:sqlite has it. */
export type Row = Record<string, SQLOutputValue>;

/**
 * The statements of a database, each prepared once.
 *
 * All methods throw LossmeterError store_unavailable for what may pass.
 */
export class Statements {
  readonly #database: DatabaseSync;
  readonly #guard: WriteGuard | undefined;
  readonly #prepared = new Map<string, StatementSync>();

  /** @param guard of a file that is written */
  constructor(database: DatabaseSync, guard?: WriteGuard) {
    this.#database = database;
    this.#guard = guard;
  }

  /** The first row, if there is one. */
  get(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#attempt(() => this.#prepare(sql).get(...values));
  }

  all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#attempt(() => this.#prepare(sql).all(...values));
  }

  /** Rows as arrays: faster than objects where there are many. */
  arrays(sql: string, ...values: SQLInputValue[]): SQLOutputValue[][] {
    return this.#attempt(() => {
      const statement = this.#prepare(sql);
      statement.setReturnArrays(true);
      return statement.all(...values) as unknown as SQLOutputValue[][];
    });
  }

  /** @returns how many rows it changed */
  run(sql: string, ...values: SQLInputValue[]): number {
    return this.#attempt(() => Number(this.#prepare(sql).run(...values).changes));
  }

  /** Rows one after another, for as long as they are asked for. */
  *iterate(sql: string, ...values: SQLInputValue[]): Generator<Row, void> {
    try {
      yield* this.#prepare(sql).iterate(...values);
    } catch (error) {
      throw explain(error);
    }
  }

  /**
   * Runs several statements on one state of the database: changes of other connections show in none or in all of them.
   * @param read synchronous: an open snapshot keeps the log from being copied into the file
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

  /** All of a change, or nothing. */
  transaction<T>(change: () => T, kind: ChangeKind = 'growing'): T {
    const transaction = (): T => inTransaction(this.#database, change);
    return this.#guard === undefined ? transaction() : this.#guard.change(kind, transaction);
  }

  /** The same of a part of a transaction. */
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
