/** Limits, versions and names that the contract states. Threads import them without its schemas. */

/** Most partials of one combination. */
export const MAX_PARTIALS = 4096;

/** Version of partials. It is raised when partials of the version before cannot be merged with those of the next. */
export const PARTIAL_VERSION = 3;

/** Largest number of columns that an answer names. */
export const MOST_COLUMNS = 16;

/** Most places, and most local losses, that are stored per batch. */
export const MOST_KEPT = 64;

/** Most sequences of a request: the answer lists them, and is written in one turn. */
export const MOST_SEQUENCES = 2 ** 13;

/** Most worst tokens of its answer. */
export const MOST_WORST_TOKENS = 16;

/** Name under which the loss that a trainer declares is kept. */
export const DECLARED_LOSS = 'declared_loss';

/** Beginning of the names that the stores give to runs during their removal. */
export const REMOVED = '~removed ';

/** States of a job. */
export const JOB_STATES = ['queued', 'running', 'succeeded', 'failed', 'cancelled'] as const;
