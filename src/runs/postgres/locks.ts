/** First number of all keys of advisory locks, "loss" in ASCII: it distinguishes them from locks of other programs. */
const OURS = 0x6c6f7373;

/** Held while the schema is brought up to date. */
export const MIGRATION_LOCK = `${OURS}, 1`;

/** Held from the first sequence number of a transaction to its commit, so that numbers ascend in the order of commits. */
export const SEQUENCE_LOCK = `${OURS}, 2`;

/** Held by the replica that deletes the rows of removed runs. */
export const PURGE_LOCK = `${OURS}, 3`;

/** Held from the count of the runs of a key to the commit of a new run. */
export const QUOTA_LOCK = `${OURS}, 5`;

/** Held by the replica that reports changes to webhooks and MLflow. */
export const LEADER_LOCK = `${OURS}, 4`;
