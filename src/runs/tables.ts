/** The tables of a history, which have the same columns in every database. */
import type { Row } from './rows.ts';

/** Columns of a step without its key. */
const STEP = [
  ...(['numerators', 'denominators', 'numerator', 'denominator', 'loss', 'ranks'] as const),
  ...(['least', 'greatest', 'bad_batches', 'non_finite', 'causes', 'summary', 'summary_rank'] as const),
  ...(['summary_micro_batch', 'recorded_at', 'sequence'] as const),
] as const;

const BATCH = ['run', 'step', 'attempt', 'rank', 'micro_batch'] as const;

/** Columns of each table; key columns come first. Rows of a table refer only to rows of earlier tables. */
export const TABLES = {
  runs: {
    key: ['id'],
    columns: [
      ...(['id', 'name', 'labels', 'expected_ranks', 'created_at', 'updated_at', 'batches', 'steps'] as const),
      ...(['non_finite_steps', 'ranks', 'series', 'state', 'said_at', 'notes', 'tags', 'archived', 'owner'] as const),
    ],
  },
  attempts: { key: ['run', 'attempt'], columns: ['run', 'attempt', 'first_step', 'live'] },
  batches: {
    key: BATCH,
    columns: [
      ...BATCH,
      ...(['numerator', 'denominator', 'finite', 'summary', 'diagnostics', 'digest', 'recorded_at'] as const),
      ...(['device', 'label_digest'] as const),
    ],
  },
  row_losses: { key: BATCH, columns: [...BATCH, 'losses'] },
  ranks: {
    key: ['run', 'step', 'rank'],
    columns: ['run', 'step', 'rank', 'numerators', 'denominators', 'loss'],
  },
  steps: { key: ['run', 'step'], columns: ['run', 'step', 'attempt', ...STEP] },
  superseded_steps: { key: ['run', 'attempt', 'step'], columns: ['run', 'attempt', 'step', ...STEP] },
  series: { key: ['run', 'series'], columns: ['run', 'series', 'name', 'points'] },
  scalars: {
    key: ['run', 'series', 'attempt', 'step', 'rank'],
    columns: ['run', 'series', 'attempt', 'step', 'rank', 'value'],
  },
} as const satisfies Record<string, { key: readonly string[]; columns: readonly string[] }>;

export type TableName = keyof typeof TABLES;

export const TABLE_NAMES = Object.keys(TABLES) as readonly TableName[];

/** Tables whose rows belong to a run, by their column `run`. */
export const TABLES_OF_RUNS = TABLE_NAMES.filter((name) => name !== 'runs');

/** Some rows of a table, in the order of its key. */
export interface TableRows {
  table: TableName;
  rows: readonly Row[];
}

/** Most rows that one statement returns. */
const ROWS_AT_ONCE = 500;

/** Tables of a history, whose rows are all read or all written. */
export interface HistoryTables {
  /** Reads all rows from one snapshot of the database, in the order of TABLES and of their keys. */
  read: (take: (some: TableRows) => Promise<void>) => Promise<void>;
  /**
   * Writes rows into a history without runs, in one transaction.
   * @param fill calls `put` with the rows, in the order of TABLES
   * @throws NotEmptyError
   */
  write: (fill: (put: (some: TableRows) => Promise<void>) => Promise<void>) => Promise<void>;
  close: () => Promise<void>;
}

/** SELECT statement for the rows after a key, in key order. Its parameters are the values of the key. */
export function selectAfter(table: TableName, name: string, parameter: (k: number) => string): string {
  const { key, columns } = TABLES[table];
  const places = key.map((_, k) => parameter(k)).join(', ');
  return `SELECT ${columns.join(', ')} FROM ${name} WHERE (${key.join(', ')}) > (${places})
    ORDER BY ${key.join(', ')} LIMIT ${ROWS_AT_ONCE}`;
}

/** A key before all rows. */
export const startOf = (table: TableName): number[] => TABLES[table].key.map(() => -1);

/** Values of the key of a row. */
export const keyOf = (table: TableName, row: Row): number[] => TABLES[table].key.map((column) => Number(row[column]));

/** Error for a history that is not empty. */
export class NotEmptyError extends Error {
  constructor(runs: number) {
    super(`it has ${runs} runs, expected none: rows are copied into an empty history`);
  }
}
