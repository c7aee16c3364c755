import { DatabaseSync } from 'node:sqlite';
import { SqliteStore } from '../src/runs/sqlite/store.ts';

/** Fills a file with a long history by a few statements. Real recordings, one by one, would take ten minutes. */
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
