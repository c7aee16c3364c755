import runs from './0001-runs.ts';

/** In their order: the number of those that a database has is its user_version. A migration that was released stays. */
export const MIGRATIONS: readonly string[] = [runs];
