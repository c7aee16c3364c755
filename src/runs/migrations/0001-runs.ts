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

CREATE TABLE steps (
  run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  step INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  numerator REAL,
  denominator REAL,
  loss REAL,
  ranks INTEGER NOT NULL,
  least REAL,
  greatest REAL,
  non_finite INTEGER NOT NULL,
  causes TEXT NOT NULL,
  summary TEXT,
  recorded_at INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  PRIMARY KEY (run, step)
) STRICT, WITHOUT ROWID;

-- The best loss of a run, and what changed last.
CREATE INDEX steps_by_loss ON steps (run, loss);
CREATE INDEX steps_by_sequence ON steps (run, sequence);
CREATE UNIQUE INDEX steps_by_change ON steps (sequence);

-- One row: the newest sequence number.
CREATE TABLE sequence (value INTEGER NOT NULL) STRICT;
INSERT INTO sequence VALUES (0);
`;
