import type { Row } from '../runs/rows.ts';

export type JobParameter = null | number | string | Uint8Array;

/** Statements in the dialect of PostgreSQL, of the part that SQLite knows too. */
export interface JobQueries {
  rows: (sql: string, ...values: JobParameter[]) => Promise<Row[]>;
  first: (sql: string, ...values: JobParameter[]) => Promise<Row | undefined>;
}

/** Database with the tables of the jobs. */
export interface JobDatabase extends JobQueries {
  /** Runs a change that takes effect completely or not at all. It may be repeated. */
  transaction: <T>(change: (queries: JobQueries) => Promise<T>) => Promise<T>;
  close: () => Promise<void>;
}
