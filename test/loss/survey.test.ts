import { expect, test } from 'vitest';
import { findBadColumns, makeBadInColumn } from '../../src/diagnostics/survey.ts';
import { runAtOnce, runInTurns } from '../../src/steps.ts';

const COLUMNS = 20_000_000;

test('the columns that are bad in the most rows are named, of equals the first', () => {
  const counts = makeBadInColumn(100_000);
  for (const [column, rows] of [
    [99_999, 7],
    [5, 2],
    [70_000, 7],
    [6, 2],
    [3, 1],
  ] as const) {
    counts[column] = rows;
  }
  expect(runAtOnce(findBadColumns(counts, 10, 4))).toEqual({
    bad: 5,
    inMostRows: 2,
    worst: [
      { column: 70_000, rows: 7 },
      { column: 99_999, rows: 7 },
      { column: 5, rows: 2 },
      { column: 6, rows: 2 },
    ],
  });
});

test('millions of bad columns take the memory of their counts, and leave the thread to others', async () => {
  const counts = makeBadInColumn(COLUMNS).fill(1);
  const before = process.memoryUsage().heapUsed;
  const finding = runInTurns(findBadColumns(counts, 1, 16));
  expect(finding).toBeInstanceOf(Promise);
  const { bad, worst } = await finding;
  expect([bad, worst[0], worst.at(-1)]).toEqual([COLUMNS, { column: 0, rows: 1 }, { column: 15, rows: 1 }]);
  // One object per column would take a hundred megabytes.
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(2e7);
});

test('nothing is looked through where every value is finite', () => {
  expect(runAtOnce(findBadColumns(undefined, 3, 16))).toEqual({ bad: 0, inMostRows: 0, worst: [] });
});
