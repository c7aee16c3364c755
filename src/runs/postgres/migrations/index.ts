import runs from './0001-runs.ts';
import jobs from './0002-jobs.ts';
import scalars from './0003-scalars.ts';

/** Migrations in their order. The version of a schema is the number of its migrations. A released migration never changes. */
export const MIGRATIONS: readonly string[] = [runs, jobs, scalars];
