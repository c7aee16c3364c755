import runs from './0001-runs.ts';
import partialIndexes from './0002-partial-indexes.ts';
import supersededSteps from './0003-superseded-steps.ts';
import runsWithoutSteps from './0004-runs-without-steps.ts';
import scalars from './0005-scalars.ts';

/**
 * Migrations in their order. The user_version of a database is the number of its migrations. A released migration never
 * changes.
 */
export const MIGRATIONS: readonly string[] = [runs, partialIndexes, supersededSteps, runsWithoutSteps, scalars];
