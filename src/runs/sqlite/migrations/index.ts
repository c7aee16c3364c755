import runs from './0001-runs.ts';
import nonFiniteSteps from './0002-non-finite-steps.ts';

/** In their order: the number of those that a database has is its user_version. A released migration never changes. */
export const MIGRATIONS: readonly string[] = [runs, nonFiniteSteps];
