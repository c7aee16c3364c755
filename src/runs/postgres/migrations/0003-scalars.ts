/** Scalars, attempts, superseded steps, and the life of runs, as in SQLite (sqlite/migrations/0005-scalars.ts). */
export default `
ALTER TABLE lossmeter.runs
  ADD COLUMN series bigint NOT NULL DEFAULT 0,
  ADD COLUMN state text,
  ADD COLUMN notes text NOT NULL DEFAULT '',
  ADD COLUMN tags text NOT NULL DEFAULT '[]',
  ADD COLUMN archived smallint NOT NULL DEFAULT 0,
  ADD COLUMN owner text;

ALTER TABLE lossmeter.batches ADD COLUMN device text, ADD COLUMN label_digest bytea;

CREATE TABLE lossmeter.attempts (
  run bigint NOT NULL,
  attempt bigint NOT NULL,
  first_step bigint NOT NULL,
  live smallint NOT NULL,
  PRIMARY KEY (run, attempt)
);

INSERT INTO lossmeter.attempts SELECT run, attempt, min(step), 1 FROM (
  SELECT run, attempt, step FROM lossmeter.batches UNION ALL SELECT run, attempt, step FROM lossmeter.steps
) recorded GROUP BY run, attempt;
UPDATE lossmeter.attempts SET live = 0 WHERE EXISTS (
  SELECT FROM lossmeter.attempts later
  WHERE later.run = attempts.run AND later.attempt > attempts.attempt AND later.first_step <= attempts.first_step
);
CREATE INDEX live_attempts ON lossmeter.attempts (run, first_step, attempt) WHERE live = 1;

CREATE TABLE lossmeter.series (
  run bigint NOT NULL,
  series bigint NOT NULL,
  name text COLLATE "C" NOT NULL,
  points bigint NOT NULL,
  PRIMARY KEY (run, series),
  UNIQUE (run, name)
);

CREATE TABLE lossmeter.scalars (
  run bigint NOT NULL,
  series bigint NOT NULL,
  attempt bigint NOT NULL,
  step bigint NOT NULL,
  rank bigint NOT NULL,
  value double precision,
  PRIMARY KEY (run, series, attempt, step, rank)
);

CREATE TABLE lossmeter.superseded_steps (
  run bigint NOT NULL,
  attempt bigint NOT NULL,
  step bigint NOT NULL,
  numerators bytea NOT NULL,
  denominators bytea NOT NULL,
  numerator double precision,
  denominator double precision,
  loss double precision,
  ranks bigint NOT NULL,
  least double precision,
  greatest double precision,
  bad_batches bigint NOT NULL,
  non_finite smallint NOT NULL,
  causes text NOT NULL,
  summary text,
  summary_rank bigint,
  summary_micro_batch bigint,
  recorded_at bigint NOT NULL,
  sequence bigint NOT NULL,
  PRIMARY KEY (run, attempt, step)
);

CREATE TABLE lossmeter.row_losses (
  run bigint NOT NULL,
  step bigint NOT NULL,
  attempt bigint NOT NULL,
  rank bigint NOT NULL,
  micro_batch bigint NOT NULL,
  losses bytea NOT NULL,
  PRIMARY KEY (run, step, attempt, rank, micro_batch)
);
`;
