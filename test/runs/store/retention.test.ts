import { describe, expect, test } from 'vitest';
import { Retention } from '../../../src/runs/retention.ts';
import type { RetentionRules } from '../../../src/runs/retention.ts';
import { recording } from '../recordings.ts';
import { openStore } from './open.ts';

const HOUR = 3_600_000;

/** Records runs with the given numbers of steps and ages, and applies the rules once. @returns the deleted runs */
async function look(
  runs: Record<string, { hours: number; steps: number }>,
  rules: (sizes: { all: number }) => Partial<RetentionRules>,
  leads = true,
): Promise<string[]> {
  let now = 0;
  const store = await openStore(() => now);
  for (const [run, { hours, steps }] of Object.entries(runs)) {
    now = Date.now() - hours * HOUR;
    const items = Array.from({ length: steps }, (_, step) => ({
      key: { run, step, attempt: 0, rank: 0, microBatch: 0 },
      recording: recording(step),
    }));
    await store.recordMany(items);
  }
  const deleted: string[] = [];
  const failures: unknown[] = [];
  const given = rules({ all: (await store.size())! });
  const retained = { leads, removeOldest: store.removeOldest.bind(store), size: store.size.bind(store) };
  const retention = new Retention(
    retained,
    { days: undefined, bytes: undefined, ...given },
    { onDeleted: (run, rule) => deleted.push(`${run} ${rule}`), onFailure: (error) => failures.push(error) },
  );
  await retention.look();
  await retention.close();
  expect(failures).toEqual([]);
  return deleted;
}

const RUNS = {
  oldest: { hours: 24 * 40, steps: 1000 },
  older: { hours: 24 * 31, steps: 1000 },
  old: { hours: 24 * 29, steps: 1000 },
  recent: { hours: 2, steps: 1000 },
  active: { hours: 0.5, steps: 1000 },
};

describe('retention', () => {
  test('deletes by age, the oldest first', async () => {
    expect(await look(RUNS, () => ({ days: 30 }))).toEqual(['oldest age', 'older age']);
  });

  test('deletes by size until the history is small enough', async () => {
    expect(await look(RUNS, ({ all }) => ({ bytes: Math.floor(0.7 * all) }))).toEqual(['oldest size', 'older size']);
  });

  test('keeps runs of the last hour, however large they are', async () => {
    expect(await look(RUNS, () => ({ days: 1, bytes: 1 }))).toEqual([
      ...['oldest age', 'older age', 'old age'],
      'recent size',
    ]);
  });

  test('is the work of one replica', async () => {
    expect(await look(RUNS, () => ({ days: 1, bytes: 1 }), false)).toEqual([]);
  });
});
