import { expect, test } from 'vitest';
import { selectOld } from '../../../src/cli/runs/prune.ts';
import type { RunSummary } from '../../../src/cli/runs/run-list.ts';

const day = (number: number): string => new Date(Date.UTC(2030, 0, number)).toISOString();

const run = (name: string, created: number, updated: number, status: 'active' | 'idle' = 'idle'): RunSummary => ({
  run: name,
  status,
  created_at: day(created),
  updated_at: day(updated),
  steps: 0,
  batches: 0,
  ranks: 1,
  non_finite_steps: 0,
});

const RUNS = [run('e', 9, 10), run('d', 7, 8), run('c', 5, 6, 'active'), run('b', 3, 9), run('a', 1, 2)];
const NO_RULE = { keep: 0, createdBefore: Infinity, updatedBefore: Infinity };

test.each([
  ['older than a day', { createdBefore: Date.parse(day(7)) }, ['b', 'a']],
  ['unchanged since a day', { updatedBefore: Date.parse(day(9)) }, ['d', 'a']],
  ['beyond a number', { keep: 2 }, ['b', 'a']],
  ['by all rules', { keep: 4, createdBefore: Date.parse(day(7)), updatedBefore: Date.parse(day(9)) }, ['a']],
  ['by no rule', {}, ['e', 'd', 'b', 'a']],
])('runs are selected that are %s, and active ones are kept', (_name, rules, expected) => {
  expect(selectOld(RUNS, { ...NO_RULE, ...rules }).map(({ run: name }) => name)).toEqual(expected);
});
