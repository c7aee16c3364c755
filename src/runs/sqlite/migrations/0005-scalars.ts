/**
 * Scalars, attempts, superseded steps, and the life of runs.
 *
 * A live attempt is current from its first step up to the first step of the next live attempt. An attempt is not live when
 * a later attempt began at or before its first step.
 */
export default `
ALTER TABLE runs ADD COLUMN series INTEGER NOT NULL DEFAULT 0;
-- What the trainer said last, and when; NULL when it never said anything.
ALTER TABLE runs ADD COLUMN state TEXT;
ALTER TABLE runs ADD COLUMN said_at INTEGER;
ALTER TABLE runs ADD COLUMN notes TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
ALTER TABLE runs ADD COLUMN archived INTEGER NOT NULL DEFAULT 0;
-- Name of the key that created it.
ALTER TABLE runs ADD COLUMN owner TEXT;
CREATE INDEX runs_by_owner ON runs (owner) WHERE owner IS NOT NULL;

ALTER TABLE batches ADD COLUMN device TEXT;
ALTER TABLE batches ADD COLUMN label_digest BLOB;

CREATE TABLE attempts (
  run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  attempt INTEGER NOT NULL,
  first_step INTEGER NOT NULL,
  live INTEGER NOT NULL,
  PRIMARY KEY (run, attempt)
) STRICT, WITHOUT ROWID;

INSERT INTO attempts SELECT run, attempt, min(step), 1 FROM (
  SELECT run, attempt, step FROM batches UNION ALL SELECT run, attempt, step FROM steps
) GROUP BY run, attempt;
UPDATE attempts SET live = 0 WHERE EXISTS (
  SELECT 1 FROM attempts later
  WHERE later.run = attempts.run AND later.attempt > attempts.attempt AND later.first_step <= attempts.first_step
);
CREATE INDEX live_attempts ON attempts (run, first_step, attempt) WHERE live = 1;

-- A named number at each step: its number within the run, and its rows.
CREATE TABLE series (
  run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  series INTEGER NOT NULL,
  name TEXT NOT NULL,
  points INTEGER NOT NULL,
  PRIMARY KEY (run, series),
  UNIQUE (run, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE scalars (
  run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  series INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  step INTEGER NOT NULL,
  rank INTEGER NOT NULL,
  value REAL,
  PRIMARY KEY (run, series, attempt, step, rank)
) STRICT, WITHOUT ROWID;

-- Steps as they were when a later attempt replaced them.
CREATE TABLE superseded_steps (
  run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  attempt INTEGER NOT NULL,
  step INTEGER NOT NULL,
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
  PRIMARY KEY (run, attempt, step)
) STRICT, WITHOUT ROWID;

-- Losses of the rows of batches that were found to be wrong, as float64.
CREATE TABLE row_losses (
  run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  step INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  rank INTEGER NOT NULL,
  micro_batch INTEGER NOT NULL,
  losses BLOB NOT NULL,
  PRIMARY KEY (run, step, attempt, rank, micro_batch)
) STRICT, WITHOUT ROWID;
`;
