/** Limits and versions that the contract states. Threads import them without its schemas. */

/** Ranks of a trainer: more than any has along its vocabulary. */
export const MAX_PARTIALS = 4096;

/** Version of the object. It is raised when partials of the version before cannot be merged with those of the next. */
export const PARTIAL_VERSION = 3;

/** Largest number of columns that an answer names. */
export const MOST_COLUMNS = 16;

/** Most places, and most local losses, that are stored per batch. */
export const MOST_KEPT = 64;
