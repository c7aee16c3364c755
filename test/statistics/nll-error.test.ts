import { expect, test } from 'vitest';
import { METRICS } from '../../src/statistics/list.ts';
import { NLL_ERROR } from '../../src/statistics/nll-error.ts';

/** Standard error by its definition, for masks whose squares neither overflow nor underflow. */
function definition(nll: readonly number[], masks: readonly number[]): number {
  const n = nll.length;
  const weight = masks.reduce((sum, m) => sum + m, 0);
  const mean = nll.reduce((sum, x, k) => sum + masks[k]! * x, 0) / weight;
  const squares = nll.reduce((sum, x, k) => sum + (masks[k]! * (x - mean)) ** 2, 0);
  return Math.sqrt((n / (n - 1)) * squares) / weight;
}

/** @param parts row numbers of sums that are appended one after the other */
function errorOf(nll: readonly number[], masks: readonly number[], parts: readonly number[][]): number {
  const all = NLL_ERROR.sums!();
  for (const rows of parts) {
    const part = NLL_ERROR.sums!();
    const add = part.adder({ nll: Float64Array.from(nll) }, FACTS);
    for (const row of rows) add(row, masks[row]!);
    all.append(part.save());
  }
  return METRICS.standard_error.of(
    all,
    masks.reduce((sum, m) => sum + m, 0),
  );
}

const FACTS = { count: 1, lengthOf: () => 0, bytes: undefined, words: undefined };

const NLL = [0.25, 7.5, 1.125, 3, 0.0625, 11];
const MASKS = [1, 0.5, 2, 0.25, 3, 1];
const ROWS = NLL.map((_, row) => row);
const PARTS = [[ROWS], [[5, 3, 1], [0], [4, 2]]];

test.each([-1020, -700, -500, -129, -1, 0, 1, 127, 128, 500, 1000])('masks times 2^%i have the same bits', (power) => {
  const masks = MASKS.map((m) => m * 2 ** power);
  for (const parts of PARTS) expect(errorOf(NLL, masks, parts)).toBe(errorOf(NLL, MASKS, [ROWS]));
  expect(errorOf(NLL, MASKS, [ROWS])).toBeCloseTo(definition(NLL, MASKS), 14);
});

test.each([
  ['far below', 1e-200],
  ['just below', 2 ** -130],
  ['of two scales', 2 ** -100],
])('masks %s others count as they weigh', (_, factor) => {
  const masks = MASKS.map((m, row) => (row < 2 ? m * 1e100 : m * 1e100 * factor));
  const expected = definition(NLL, masks);
  for (const parts of PARTS) {
    expect(errorOf(NLL, masks, parts) / expected).toBeCloseTo(1, 12);
    expect(errorOf(NLL, masks, parts)).toBe(errorOf(NLL, masks, [ROWS]));
  }
});

test('a row with a mask of 0 counts as a row', () => {
  expect(errorOf([1, 2, 9], [1, 1, 0], [[0, 1, 2]])).toBeCloseTo(Math.sqrt(1.5 * 0.5) / 2, 14);
});
