import { DatabaseSync } from 'node:sqlite';
import { SqliteStore } from '../src/runs/sqlite/store.ts';

/** Fills a file with a long history by a few SQL statements. Recording the batches one by one would take ten minutes. */
export function fillRun(
  path: string,
  { run, batches, ranks, microBatches }: { run: string; batches: number; ranks: number; microBatches: number },
): void {
  // Creates the schema.
  void new SqliteStore(path).close();
  const database = new DatabaseSync(path);
  const perStep = ranks * microBatches;
  const steps = Math.floor(batches / perStep);
  database.exec(`
    PRAGMA synchronous = OFF;
    BEGIN;
    INSERT INTO runs (name, created_at, updated_at, batches, steps, ranks)
      VALUES ('${run}', 0, 0, ${batches}, ${steps}, ${ranks});
    WITH RECURSIVE counter (k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM counter WHERE k < ${batches - 1})
      INSERT INTO batches SELECT 1, k / ${perStep}, 0, k / ${microBatches} % ${ranks}, k % ${microBatches},
        512 * (2 + 8 * exp(-k / ${perStep} / 3000.0) + abs(random() % 1000) / 10000.0), 512, 1,
        'step ' || k / ${perStep} || ', rank ' || k / ${microBatches} % ${ranks} || ': the loss is finite', NULL,
        randomblob(32), k, NULL, NULL FROM counter;
    INSERT INTO attempts VALUES (1, 0, 0, 1);
    INSERT INTO ranks SELECT 1, step, rank, zeroblob(16), zeroblob(16), sum(numerator) / sum(denominator)
      FROM batches GROUP BY step, rank;
    INSERT INTO steps SELECT 1, step, 0, zeroblob(16), zeroblob(16), sum(numerator), sum(denominator),
      sum(numerator) / sum(denominator), ${ranks}, min(numerator / denominator), max(numerator / denominator), 0, 0, '[]',
      NULL, NULL, NULL, max(recorded_at), step FROM batches GROUP BY step;
    UPDATE sequence SET value = ${steps};
    COMMIT;
  `);
  database.close();
}

/** Fills a file with many short runs that have labels, tags and states. */
export function fillRuns(path: string, { runs, steps }: { runs: number; steps: number }): void {
  void new SqliteStore(path).close();
  const database = new DatabaseSync(path);
  database.exec(`
    PRAGMA synchronous = OFF;
    BEGIN;
    WITH RECURSIVE counter (k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM counter WHERE k < ${runs - 1})
      INSERT INTO runs (name, created_at, updated_at, labels, batches, steps, ranks, state, said_at, tags, notes)
      SELECT 'team-' || (k % 10) || '/run-' || k, k, 1000 * (k * 7919 % ${runs}), json_object('model', 'gpt-' || (k % 7),
        'lr', 0.0001 * (k % 50 + 1), 'batch_size', 1 << k % 6, 'optimizer', 'adamw', 'resumed', json(iif(k % 2, 'true', 'false')),
        'host', 'node-' || (k % 64), 'data', 'corpus-v' || (k % 4), 'seed', k), ${steps}, ${steps}, 1,
        iif(k % 3, 'finished', NULL), iif(k % 3, k, NULL), json_array('sweep-' || (k % 20), 'baseline'), 'notes of run ' || k
      FROM counter;
    WITH RECURSIVE counter (k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM counter WHERE k < ${runs * steps - 1})
      INSERT INTO steps SELECT k / ${steps} + 1, k % ${steps}, 0, zeroblob(16), zeroblob(16),
        2 + 8 * exp(-(k % ${steps})), 1, 2 + 8 * exp(-(k % ${steps})), 1, NULL, NULL, 0, 0, '[]', NULL, NULL, NULL, k, k
      FROM counter;
    UPDATE sequence SET value = ${runs * steps};
    COMMIT;
  `);
  database.close();
}

/** Fills a run of a file with scalars of a rank. */
export function fillScalars(
  path: string,
  { run, series, points }: { run: number; series: number; points: number },
): void {
  const database = new DatabaseSync(path);
  database.exec(`
    PRAGMA synchronous = OFF;
    BEGIN;
    WITH RECURSIVE counter (k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM counter WHERE k < ${series - 1})
      INSERT INTO series SELECT ${run}, k, 'grad_norm/layers.' || k, ${points} FROM counter;
    WITH RECURSIVE counter (k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM counter WHERE k < ${series * points - 1})
      INSERT INTO scalars SELECT ${run}, k / ${points}, 0, k % ${points}, 0, abs(random() % 1000) / 1000.0 FROM counter;
    UPDATE runs SET series = ${series} WHERE id = ${run};
    COMMIT;
  `);
  database.close();
}
