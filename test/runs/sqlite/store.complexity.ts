/** Time of a recording against the number of batches of its step. */
import { expect, test } from 'vitest';
import type { BatchKey } from '../../../src/runs/record.ts';
import { SqliteStore } from '../../../src/runs/sqlite/store.ts';
import { TIMED } from '../../timed.ts';
import { ALL, recording } from '../recordings.ts';

const key = (step: number, rank: number, microBatch: number): BatchKey => ({
  ...{ run: 'r', step, rank, microBatch, attempt: 0 },
});

test('a step of many ranks takes each batch as quickly as the first', TIMED, async () => {
  const store = new SqliteStore(':memory:');
  const time = async (from: number): Promise<number> => {
    const started = performance.now();
    for (let k = from; k < from + 500; k++) await store.record(key(1, k >> 3, k & 7), recording(k));
    return performance.now() - started;
  };
  await time(0);
  const early = await time(500);
  for (let k = 1000; k < 8000; k += 500) await time(k);
  const late = await time(8000);
  // A time that grows with the number of batches would be 16 times as long. The margin is for other work of the machine.
  expect(late).toBeLessThan(5 * early + 100);
  expect((await store.steps('r', ALL, 1))[0]).toMatchObject({ numerator: (8499 * 8500) / 2, ranks: 1063 });
  await store.close();
});
