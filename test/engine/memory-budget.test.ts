import { expect, test } from 'vitest';
import { MemoryBudget } from '../../src/engine/memory-budget.ts';

test('bytes that fit are granted at once, and others in the order of asking', async () => {
  const budget = new MemoryBudget(100);
  await budget.reserve(60);
  const granted: number[] = [];
  const large = budget.reserve(90).then(() => granted.push(90));
  const small = budget.reserve(10).then(() => granted.push(10));
  await Promise.resolve();
  expect(granted).toEqual([]);
  expect(budget.isWaitedFor).toBe(true);
  budget.release(60);
  await Promise.all([large, small]);
  expect(granted).toEqual([90, 10]);
  expect(budget.bytesInUse).toBe(100);
  expect(budget.isWaitedFor).toBe(false);
});

test('more than the budget is granted when nothing else is in use', async () => {
  const budget = new MemoryBudget(100);
  await budget.reserve(1000);
  expect(budget.bytesInUse).toBe(1000);
  budget.release(1000);
  expect(budget.bytesInUse).toBe(0);
});
