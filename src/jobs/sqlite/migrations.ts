/** Tables of the jobs, with the columns that they have in PostgreSQL (runs/postgres/migrations). */
const jobs = `
CREATE TABLE jobs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  kernel TEXT NOT NULL,
  options TEXT NOT NULL,
  tensors TEXT NOT NULL,
  files INTEGER NOT NULL,
  done INTEGER NOT NULL DEFAULT 0,
  failed INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL,
  done_bytes INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  started_at INTEGER,
  finished_at INTEGER,
  revision INTEGER NOT NULL DEFAULT 0,
  total TEXT,
  error TEXT
);

CREATE INDEX jobs_by_state ON jobs (state, id);

CREATE TABLE tasks (
  job INTEGER NOT NULL,
  place INTEGER NOT NULL,
  file TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  reference TEXT,
  first_row INTEGER,
  row_count INTEGER,
  state TEXT NOT NULL DEFAULT 'queued',
  attempts INTEGER NOT NULL DEFAULT 0,
  answer TEXT,
  partial BLOB,
  error TEXT,
  PRIMARY KEY (job, place)
);

CREATE INDEX tasks_to_do ON tasks (job, place) WHERE state IN ('queued', 'running');
CREATE INDEX failed_tasks ON tasks (job, place) WHERE state = 'failed';
`;

/** Migrations in their order. The version of a file is the number of its migrations. A released migration never changes. */
export const MIGRATIONS: readonly string[] = [jobs];
