import { expect, test } from 'vitest';
import { LossmeterError } from '../../src/errors.ts';
import { StoreWatch } from '../../src/runs/store-watch.ts';

test('a fault is told once, and its end once', async () => {
  let failure: Error | undefined;
  const told: (string | undefined)[] = [];
  const watch = new StoreWatch(
    async () => {
      if (failure !== undefined) throw failure;
    },
    (fault) => told.push(fault),
  );
  await watch.look();
  expect(watch.fault).toBeUndefined();
  failure = new LossmeterError('store_unavailable', 'the disk is full');
  await watch.look();
  await Promise.all([watch.look(), watch.look()]);
  expect(watch.fault).toBe('the disk is full');
  failure = undefined;
  await watch.look();
  expect(watch.fault).toBeUndefined();
  expect(told).toEqual(['the disk is full', undefined]);
  await watch.close();
});
