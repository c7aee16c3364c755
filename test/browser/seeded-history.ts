import { DatabaseSync } from 'node:sqlite';
import { SqliteStore } from '../../src/runs/sqlite/store.ts';

/** Size of a history of a run `long`, and runs `many-1`, `many-2` and so on. */
interface HistorySize {
  /** Number of runs beside `long`. */
  runs: number;
  /** Steps of `long`. */
  steps: number;
  /** Scalars of `long`, and points of each. */
  scalars: number;
  points: number;
}

/** Steps of each of the many runs. */
const SHORT = 20;

/** Number of the run `long`. */
const LONG = 1;

/** The loss of a step, with noise. */
const LOSS = '2 + 8 * exp(-k / 30000.0) + abs(random() % 1000) / 5000.0';

const counter = (count: number): string =>
  `WITH RECURSIVE counter (k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM counter WHERE k < ${count - 1})`;

/** Columns of a step after its number. @param sequence number of the change, as SQL */
const stepColumns = (loss: string, sequence: string): string =>
  `0, zeroblob(16), zeroblob(16), ${loss}, 1, ${loss}, 1, NULL, NULL, 0, 0, '[]', NULL, NULL, NULL, 1000 * k, ${sequence}`;

/**
 * Fills a file with a long history by a few statements. Real recordings would take an hour.
 * @param path of a new file
 */
export async function seedHistory(path: string, { runs, steps, scalars, points }: HistorySize): Promise<void> {
  // Creates the schema.
  await new SqliteStore(path).close();
  const database = new DatabaseSync(path);
  database.exec(`
    PRAGMA synchronous = OFF;
    PRAGMA cache_size = -400000;
    BEGIN;
    INSERT INTO runs (name, created_at, updated_at, batches, steps, ranks, series)
      VALUES ('long', 0, 1000, ${steps}, ${steps}, 1, ${scalars});
    INSERT INTO runs (name, labels, created_at, updated_at, batches, steps, ranks)
      ${counter(runs)} SELECT 'many-' || (k + 1), json_object('seed', k % 7, 'model', 'size-' || k % 3), k, k, ${SHORT}, ${SHORT}, 1 FROM counter;
    INSERT INTO steps ${counter(steps)} SELECT ${LONG}, k, ${stepColumns(LOSS, 'k + 1')} FROM counter;
    INSERT INTO steps ${counter(SHORT)} SELECT id, k, ${stepColumns('3 - k / 20.0', `${steps} + id * ${SHORT} + k`)}
      FROM (SELECT id FROM runs WHERE id > ${LONG}) CROSS JOIN counter;
    INSERT INTO attempts SELECT id, 0, 0, 1 FROM runs;
    INSERT INTO series ${counter(scalars)} SELECT ${LONG}, k,
      CASE k WHEN 0 THEN 'lr' WHEN 1 THEN 'tokens_per_second' ELSE 'grad_norm/layers.' || (k - 2) END, ${points} FROM counter;
    UPDATE sequence SET value = ${steps} + (${runs} + 2) * ${SHORT};
    COMMIT;
  `);
  const insert = database.prepare(
    `INSERT INTO scalars ${counter(points)} SELECT ${LONG}, ?, 0, k, 0, (1 + ? % 5) * (1 + abs(random() % 1000) / 3000.0) FROM counter`,
  );
  database.exec('BEGIN');
  for (let series = 0; series < scalars; series++) insert.run(series, series);
  database.exec('COMMIT');
  database.close();
}
