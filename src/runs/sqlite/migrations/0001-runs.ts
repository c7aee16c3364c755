/**
 * Runs, their steps and their micro-batches. Times are milliseconds since 1970. SQLite has no NaN: a REAL that may be NaN
 * is NULL then.
 */
export default `
CREATE TABLE runs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  labels TEXT NOT NULL DEFAULT '{}',
  expected_ranks INTEGER,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  batches INTEGER NOT NULL DEFAULT 0,
  steps INTEGER NOT NULL DEFAULT 0,
  non_finite_steps INTEGER NOT NULL DEFAULT 0,
  ranks INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX runs_by_change ON runs (updated_at);

CREATE TABLE batches (
  run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  step INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  rank INTEGER NOT NULL,
  micro_batch INTEGER NOT NULL,
  numerator REAL,
  denominator REAL,
  finite INTEGER NOT NULL,
  summary TEXT NOT NULL,
  diagnostics TEXT,
  digest BLOB NOT NULL,
  recorded_at INTEGER NOT NULL,
  PRIMARY KEY (run, step, attempt, rank, micro_batch)
) STRICT, WITHOUT ROWID;

-- The sums of a step's highest attempt, as they are kept to go on with, and what they amount to.
CREATE TABLE steps (
  run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  step INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  numerators BLOB NOT NULL,
  denominators BLOB NOT NULL,
  numerator REAL,
  denominator REAL,
  loss REAL,
  ranks INTEGER NOT NULL,
  least REAL,
  greatest REAL,
  bad_batches INTEGER NOT NULL,
  non_finite INTEGER NOT NULL,
  causes TEXT NOT NULL,
  summary TEXT,
  summary_rank INTEGER,
  summary_micro_batch INTEGER,
  recorded_at INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  PRIMARY KEY (run, step)
) STRICT, WITHOUT ROWID;

-- The same of its ranks.
CREATE TABLE ranks (
  run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  step INTEGER NOT NULL,
  rank INTEGER NOT NULL,
  numerators BLOB NOT NULL,
  denominators BLOB NOT NULL,
  loss REAL,
  PRIMARY KEY (run, step, rank)
) STRICT, WITHOUT ROWID;

-- A loss that is not finite is NULL in both. The best loss of a run, those before a step, what changed last, and the range
-- of the ranks.
CREATE INDEX steps_by_loss ON steps (run, loss) WHERE loss IS NOT NULL;
CREATE INDEX steps_of_finite_loss ON steps (run, step, loss) WHERE loss IS NOT NULL;
CREATE INDEX steps_by_sequence ON steps (run, sequence);
CREATE UNIQUE INDEX steps_by_change ON steps (sequence);
CREATE INDEX ranks_by_loss ON ranks (run, step, loss) WHERE loss IS NOT NULL;

-- One row: the newest sequence number.
CREATE TABLE sequence (value INTEGER NOT NULL) STRICT;
INSERT INTO sequence VALUES (0);
`;
