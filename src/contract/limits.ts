/** Limits, versions and names of the contract. Threads import them without the schemas. */

/** Maximum number of partials of one combination. */
export const MAX_PARTIALS = 4096;

/** Version of partials. It is raised when new partials cannot be merged with partials of the previous version. */
export const PARTIAL_VERSION = 3;

/** Largest number of columns that an answer names. */
export const MOST_COLUMNS = 16;

/** Maximum number of places, and of local losses, that are stored per batch. */
export const MOST_KEPT = 64;

/** Maximum number of sequences of a request. The answer lists all of them and is written in one turn. */
export const MOST_SEQUENCES = 2 ** 13;

/** Maximum number of worst tokens in the answer of a comparison of log-probabilities. */
export const MOST_WORST_TOKENS = 16;

/** Name of the scalar that stores the loss declared by a trainer. */
export const DECLARED_LOSS = 'declared_loss';

/** Prefix of the names that the stores give to runs during their removal. */
export const REMOVED = '~removed ';

/** States of a job. */
export const JOB_STATES = ['queued', 'running', 'succeeded', 'failed', 'cancelled'] as const;
