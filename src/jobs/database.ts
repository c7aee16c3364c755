import type { Row } from '../runs/rows.ts';

export type JobParameter = null | number | string | Uint8Array;

/** Runs statements in the part of PostgreSQL's dialect that SQLite supports after `translate`. */
export interface JobQueries {
  rows: (sql: string, ...values: JobParameter[]) => Promise<Row[]>;
  first: (sql: string, ...values: JobParameter[]) => Promise<Row | undefined>;
}

/** Database with the tables of the jobs. */
export interface JobDatabase extends JobQueries {
  /** Runs a change that takes effect completely or not at all. `change` may be called again after a conflict. */
  transaction: <T>(change: (queries: JobQueries) => Promise<T>) => Promise<T>;
  close: () => Promise<void>;
}
