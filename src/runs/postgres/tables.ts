import { NotEmptyError, TABLES, TABLE_NAMES, keyOf, selectAfter, startOf } from '../tables.ts';
import type { HistoryTables, TableName, TableRows } from '../tables.ts';
import { PostgresDatabase } from './database.ts';
import type { Parameter, Queries } from './database.ts';

/** Connections of a copy, which only reads or only writes. */
const CONNECTIONS = 1;

/** Tables of a history in a PostgreSQL database. A missing schema is created. */
export class PostgresTables implements HistoryTables {
  readonly #database: PostgresDatabase;

  constructor(url: string) {
    this.#database = new PostgresDatabase({ url, connections: CONNECTIONS });
  }

  async read(take: (some: TableRows) => Promise<void>): Promise<void> {
    await this.#database.snapshot(async (queries) => {
      for (const table of TABLE_NAMES) {
        const sql = selectAfter(table, `lossmeter.${table}`, (k) => `$${k + 1}`);
        for (let key = startOf(table); ;) {
          const rows = await queries.rows(sql, ...key);
          if (rows.length === 0) break;
          await take({ table, rows });
          key = keyOf(table, rows.at(-1)!);
        }
      }
    });
  }

  async write(fill: (put: (some: TableRows) => Promise<void>) => Promise<void>): Promise<void> {
    await this.#database.transaction(async (queries) => {
      const found = await queries.first('SELECT count(*) AS runs FROM lossmeter.runs');
      if (Number(found!['runs']) > 0) throw new NotEmptyError(Number(found!['runs']));
      await fill((some) => insert(queries, some));
      // Sequences continue after the highest number in the copied rows.
      await queries.rows(nextOf("'lossmeter.changes'", 'steps', 'sequence'));
      await queries.rows(nextOf("pg_get_serial_sequence('lossmeter.runs', 'id')", 'runs', 'id'));
    });
  }

  async close(): Promise<void> {
    await this.#database.close();
  }
}

/** Types of columns that are not integers. */
const TYPES: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ['name', 'labels', 'summary', 'diagnostics', 'causes', 'state', 'notes', 'tags', 'owner', 'device'].map(
      (column) => [column, 'text'],
    ),
  ),
  ...Object.fromEntries(
    ['digest', 'label_digest', 'numerators', 'denominators', 'losses'].map((column) => [column, 'bytea']),
  ),
  ...Object.fromEntries(
    ['numerator', 'denominator', 'loss', 'least', 'greatest', 'value'].map((column) => [column, 'float8']),
  ),
};

async function insert(queries: Queries, { table, rows }: TableRows): Promise<void> {
  const { columns } = TABLES[table];
  const values = columns.map((column) => rows.map((row) => row[column]));
  const places = columns.map((column, k) => `$${k + 1}::${TYPES[column] ?? 'bigint'}[]`);
  await queries.rows(
    `INSERT INTO lossmeter.${table} (${columns.join(', ')}) SELECT * FROM unnest(${places.join(', ')})`,
    ...(values as Parameter[]),
  );
}

const nextOf = (sequence: string, table: TableName, column: string): string =>
  `SELECT setval(${sequence}, coalesce((SELECT max(${column}) FROM lossmeter.${table}), 0) + 1, false)`;
