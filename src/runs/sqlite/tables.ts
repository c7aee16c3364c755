import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { NotEmptyError, TABLES, TABLE_NAMES, keyOf, selectAfter, startOf } from '../tables.ts';
import type { HistoryTables, TableRows } from '../tables.ts';
import type { Row } from '../rows.ts';
import { openDatabase } from './database.ts';

/** Tables of a history in an SQLite file, which is created when missing. @throws OpenError */
export class SqliteTables implements HistoryTables {
  readonly #database: DatabaseSync;

  constructor(path: string) {
    this.#database = openDatabase(path);
  }

  async read(take: (some: TableRows) => Promise<void>): Promise<void> {
    this.#database.exec('BEGIN');
    try {
      for (const table of TABLE_NAMES) {
        const statement = this.#database.prepare(selectAfter(table, table, () => '?'));
        for (let key = startOf(table); ;) {
          const rows = statement.all(...key) as Row[];
          if (rows.length === 0) break;
          await take({ table, rows });
          key = keyOf(table, rows.at(-1)!);
        }
      }
    } finally {
      this.#database.exec('ROLLBACK');
    }
  }

  async write(fill: (put: (some: TableRows) => Promise<void>) => Promise<void>): Promise<void> {
    const { runs } = this.#database.prepare('SELECT count(*) AS runs FROM runs').get() as { runs: number };
    if (runs > 0) throw new NotEmptyError(runs);
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      await fill(async (some) => this.#insert(some));
      this.#database.exec('UPDATE sequence SET value = coalesce((SELECT max(sequence) FROM steps), 0)');
      this.#database.exec('COMMIT');
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  #insert({ table, rows }: TableRows): void {
    const { columns } = TABLES[table];
    const statement = this.#database.prepare(
      `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`,
    );
    for (const row of rows) statement.run(...columns.map((column) => row[column] as SQLInputValue));
  }

  async close(): Promise<void> {
    this.#database.close();
  }
}
