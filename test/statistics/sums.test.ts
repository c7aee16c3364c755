import { describe, expect, test } from 'vitest';
import { METRICS, STATISTICS } from '../../src/statistics/list.ts';
import type { MetricName } from '../../src/statistics/list.ts';
import { rowsWithoutPrediction } from '../../src/statistics/rank.ts';

const COLUMNS = {
  predictions: Int32Array.of(4, 0, 2, -1),
  targetRank: Int32Array.of(0, 4, 5, -1),
  entropy: Float64Array.of(0.5, 1, 2, 4),
  confidence: Float64Array.of(0.9, 0.9, 0.2, 0.5),
};

const FACTS = { count: 1, lengthOf: () => 4, bytes: undefined, words: undefined };

/** Weights of the rows. */
const MASKS = [1, 2, 0.5, 1];

/** A metric over some of the rows. */
function metricOf(name: MetricName, batches: readonly (readonly number[])[]): number {
  const { statistic } = METRICS[name];
  const all = STATISTICS[statistic].sums!();
  for (const rows of batches) {
    const batch = STATISTICS[statistic].sums!();
    const add = batch.adder(COLUMNS, FACTS);
    for (const row of rows) add(row, MASKS[row]!);
    all.append(batch.save());
  }
  return METRICS[name].of(
    all,
    batches.flat().reduce((sum, row) => sum + MASKS[row]!, 0),
  );
}

describe.each([
  ['accuracy', 1 / 4.5],
  ['top5_accuracy', 3 / 4.5],
  ['mean_entropy', (0.5 + 2 + 1 + 4) / 4.5],
  // Rows 0 and 1 share a bin: |0.1 − 1.8|; row 2 has its own; row 3 has no prediction.
  ['ece', (1.7 + 0.1) / 3.5],
] as const)('%s', (name, expected) => {
  test('is weighted by the mask', () => {
    expect(metricOf(name, [[0, 1, 2, 3]])).toBeCloseTo(expected, 14);
  });

  test('of several batches is that of their rows together', () => {
    expect(metricOf(name, [[0], [1, 2], [], [3]])).toBeCloseTo(expected, 14);
  });
});

test('rows without a prediction are counted, over batches too', () => {
  const [one, other] = [STATISTICS.rank.sums!(), STATISTICS.rank.sums!()];
  for (const sums of [one, other]) sums.adder(COLUMNS, FACTS)(3, 1);
  one.append(other.save());
  expect(rowsWithoutPrediction(one)).toBe(2);
  expect(rowsWithoutPrediction(undefined)).toBeUndefined();
});
