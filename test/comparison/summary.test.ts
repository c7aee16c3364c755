import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LEFT_OUT, NO_TARGET } from '../../kernels/abi.ts';
import { meanOf, sumOver } from '../../src/comparison/moments.ts';
import { percentileOf, sorted } from '../../src/comparison/order.ts';
import {
  agreementOf,
  ascendingOf,
  countedRows,
  differenceStatistics,
  divergenceStatistics,
  perplexityStatistics,
  probabilityDifference,
  worstRows,
} from '../../src/comparison/summary.ts';
import { runAtOnce } from '../../src/steps.ts';
import { seededRandom } from '../rows.ts';

const floats = (values: ArrayLike<number>): Float64Array<ArrayBuffer> => Float64Array.from(values);

/** Rows that are all counted, with masks. */
const counted = (n: number, masks?: ArrayLike<number>) =>
  runAtOnce(countedRows(new Int32Array(n).fill(NO_TARGET), masks && floats(masks)));

const moments = (values: ArrayLike<number>, masks?: ArrayLike<number>) =>
  runAtOnce(meanOf(counted(values.length, masks), (row) => values[row]!));

describe('mean and standard error', () => {
  const values = [0.5, 2, -1, 4, 0.25, 3];

  test('are those of the formula', () => {
    const masks = [1, 0.5, 2, 1, 0.25, 3];
    const weight = masks.reduce((a, b) => a + b);
    const mean = values.reduce((sum, x, k) => sum + masks[k]! * x, 0) / weight;
    const squares = values.reduce((sum, x, k) => sum + (masks[k]! * (x - mean)) ** 2, 0);
    const found = moments(values, masks);
    expect(found.mean).toBeCloseTo(mean, 14);
    expect(found.standardError).toBeCloseTo(Math.sqrt((6 / 5) * squares) / weight, 14);
  });

  test('with masks of 0 and 1 are those of llama.cpp', () => {
    const n = values.length;
    const mean = values.reduce((a, b) => a + b) / n;
    const meanSquare = values.reduce((sum, x) => sum + x * x, 0) / n;
    expect(moments(values).standardError).toBeCloseTo(Math.sqrt((meanSquare - mean ** 2) / (n - 1)), 14);
  });

  test('do not change when the mask is scaled by a power of two, and hardly by another factor', () => {
    const masks = [1, 0.5, 2, 1, 0.25, 3];
    expect(
      moments(
        values,
        masks.map((m) => 4 * m),
      ),
    ).toEqual(moments(values, masks));
    const scaled = moments(
      values,
      masks.map((m) => 3.7 * m),
    );
    expect(scaled.standardError).toBeCloseTo(moments(values, masks).standardError, 14);
  });

  test.each([2 ** 532, 2 ** -660, 2 ** -1050, 2 ** 1015])('do not change when the mask is scaled by %d', (factor) => {
    const masks = [1, 0.5, 2, 1, 0.25, 3];
    const scaled = masks.map((m) => factor * m);
    expect(moments(values, scaled)).toEqual(moments(values, masks));
    const q = floats([0.5, 2, 1, 4, 0.25, 3]);
    const p = floats([0.4, 2.5, 1, 3, 0.5, 3]);
    const perplexity = (of: number[]) => runAtOnce(perplexityStatistics(counted(6, of), q, p));
    expect(perplexity(scaled)).toEqual(perplexity(masks));
    expect(perplexity(masks).correlation).toBeGreaterThan(0.5);
  });

  test('are undetermined where the sum of the masks leaves the range of float64', () => {
    expect(moments([0, 0.5], [1.7e308, 1.7e308])).toEqual({ mean: NaN, standardError: NaN });
  });

  test('have no error where it leaves the range of float64', () => {
    expect(moments([1e200, 3e200])).toEqual({ mean: 2e200, standardError: NaN });
  });

  test('of no row and of one row are undetermined', () => {
    expect(moments([])).toEqual({ mean: NaN, standardError: NaN });
    expect(moments([3])).toEqual({ mean: 3, standardError: NaN });
  });

  test('with a row at Infinity have an infinite mean and no error', () => {
    expect(moments([1, Infinity, 2])).toEqual({ mean: Infinity, standardError: NaN });
  });

  test('have the same bits in any order of the rows', () => {
    const row = fc.tuple(
      fc.double({ noNaN: true, min: -1e10, max: 1e10 }),
      fc.double({ noNaN: true, min: 1e-3, max: 10 }),
    );
    fc.assert(
      fc.property(fc.array(row, { minLength: 2, maxLength: 40 }), fc.nat(), (rows, seed) => {
        const random = seededRandom(seed);
        const shuffled = rows.toSorted(() => random() - 0.5);
        const of = (list: typeof rows): unknown =>
          moments(
            list.map(([x]) => x),
            list.map(([, m]) => m),
          );
        expect(of(shuffled)).toEqual(of(rows));
      }),
    );
  });

  test('rows that are left out have no part', () => {
    const rows = runAtOnce(countedRows(Int32Array.of(0, LEFT_OUT, NO_TARGET, 3), floats([1, 5, 2, 4])));
    expect([[...rows.rows], rows.weight]).toEqual([[0, 2, 3], 7]);
    expect(runAtOnce(sumOver(rows, (row) => row))).toBe(5);
  });
});

describe('percentiles', () => {
  // numpy.percentile([15, 20, 35, 40, 50], [0, 5, 25, 30, 40, 50, 90, 99.9, 100])
  test.each([
    [0, 15],
    [0.05, 16],
    [0.25, 20],
    [0.3, 23],
    [0.4, 29],
    [0.5, 35],
    [0.9, 46],
    [0.999, 49.96],
    [1, 50],
  ])('%d is that of numpy', (f, expected) => {
    expect(percentileOf(floats([15, 20, 35, 40, 50]), f)).toBeCloseTo(expected, 12);
  });

  test('between two infinities are infinite, and without values undetermined', () => {
    expect(percentileOf(floats([1, Infinity, Infinity]), 0.75)).toBe(Infinity);
    expect(percentileOf(floats([1, Infinity]), 0.5)).toBe(Infinity);
    expect(percentileOf(floats([]), 0.5)).toBeNaN();
  });

  test.each([0, 1, 16_383, 16_384, 16_385, 50_000, 131_073])('%d values are sorted as a whole', (n) => {
    const random = seededRandom(n);
    const values = Float64Array.from({ length: n }, () => Math.round((random() - 0.5) * 1000) / 8 + 0);
    expect(runAtOnce(sorted(values.slice()))).toEqual(values.toSorted());
  });

  test('leave NaN out', () => {
    const divergence = floats([3, NaN, 1, 2]);
    const ascending = runAtOnce(ascendingOf(counted(4), (row) => divergence[row]!));
    expect([...ascending]).toEqual([1, 2, 3]);
    const found = runAtOnce(divergenceStatistics(counted(4), { divergence }, ascending));
    expect(found).toMatchObject({ mean: null, standard_error: null, min: 1, max: 3, percentiles: { 50: 2 } });
  });
});

test('nothing counted leaves all statistics undetermined', () => {
  const none = counted(0);
  const divergence = runAtOnce(divergenceStatistics(none, { divergence: floats([]) }, floats([])));
  expect(Object.values({ ...divergence, ...divergence.percentiles, percentiles: null })).toEqual(Array(14).fill(null));
  const empty = { prediction: new Int32Array(0), referencePrediction: new Int32Array(0) };
  expect(runAtOnce(agreementOf(none, empty))).toEqual({ fraction: null, standard_error: null });
  const perplexity = runAtOnce(perplexityStatistics(none, floats([]), floats([])));
  expect(perplexity).toMatchObject({ ratio: { value: null, standard_error: null }, correlation: null });
});

test('agreement is a share of rows; a row without a prediction agrees with none', () => {
  const rows = { prediction: Int32Array.of(1, 2, -1, 4), referencePrediction: Int32Array.of(1, 3, -1, 4) };
  const { fraction, standard_error: error } = runAtOnce(agreementOf(counted(4), rows));
  expect([fraction, error]).toEqual([0.5, Math.sqrt((0.5 * 0.5) / 3)]);
});

test('the difference of probabilities loses no digits', () => {
  expect(probabilityDifference(1, 1 + 2 ** -40)).toBeCloseTo(Math.exp(-1) * 2 ** -40, 23);
  expect(probabilityDifference(Infinity, 0)).toBe(-1);
  expect(probabilityDifference(0, Infinity)).toBe(1);
  expect(probabilityDifference(Infinity, Infinity)).toBe(0);
  expect(probabilityDifference(0.1, 800)).toBeCloseTo(Math.exp(-0.1), 15);
  fc.assert(
    fc.property(fc.double({ min: 0, max: 50, noNaN: true }), fc.double({ min: 0, max: 50, noNaN: true }), (a, b) => {
      expect(probabilityDifference(a, b)).toBeCloseTo(Math.exp(-a) - Math.exp(-b), 14);
    }),
  );
});

test('equal sides have errors of 0 and a correlation of 1; a constant side has none', () => {
  const nll = floats([0.5, 1, 2, 0.1]);
  expect(runAtOnce(perplexityStatistics(counted(4), nll, nll))).toMatchObject({
    log_ratio: { value: 0, standard_error: 0 },
    ratio: { value: 1, standard_error: 0 },
    difference: { value: 0, standard_error: 0 },
    correlation: expect.closeTo(1, 12),
  });
  expect(runAtOnce(perplexityStatistics(counted(4), nll, floats([1, 1, 1, 1]))).correlation).toBeNull();
  const same = runAtOnce(differenceStatistics(counted(4), () => 0));
  expect(same).toMatchObject({ mean: 0, standard_error: 0, rms: 0, rms_standard_error: 0 });
});

test('the worst rows are those of greatest divergence, of equal ones the first, without NaN', () => {
  const divergence = floats([2, NaN, 5, 2, Infinity, 2, 1]);
  const rows = counted(7);
  const ascending = runAtOnce(ascendingOf(rows, (row) => divergence[row]!));
  const worst = (most: number): number[] => runAtOnce(worstRows(rows, { divergence }, { ascending, most }));
  expect([0, 1, 3, 4, 9].map(worst)).toEqual([[], [4], [4, 2, 0], [4, 2, 0, 3], [4, 2, 0, 3, 5, 6]]);
});

/** Spread of a statistic over samples of the rows, drawn with replacement. */
function bootstrap(n: number, statistic: (rows: Int32Array) => number): number {
  const random = seededRandom(5);
  const found = Array.from({ length: 3000 }, () =>
    statistic(Int32Array.from({ length: n }, () => Math.floor(random() * n))),
  );
  const mean = found.reduce((a, b) => a + b) / found.length;
  return Math.sqrt(found.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (found.length - 1));
}

describe('standard errors under a weighted mask are those of a bootstrap', () => {
  const n = 400;
  const random = seededRandom(3);
  const masks = Float64Array.from({ length: n }, () => 0.2 + 2 * random());
  const referenceNll = Float64Array.from({ length: n }, () => 3 * random() ** 2);
  const nll = referenceNll.map((x) => Math.max(0, x + 0.3 * (random() - 0.4)));
  const all = counted(n, masks);
  const perplexity = runAtOnce(perplexityStatistics(all, nll, referenceNll));
  const difference = runAtOnce(
    differenceStatistics(all, (row) => probabilityDifference(nll[row]!, referenceNll[row]!)),
  );
  const meanOver = (value: (row: number) => number) => (rows: Int32Array) => {
    let [sum, weight] = [0, 0];
    for (const row of rows) {
      sum += masks[row]! * value(row);
      weight += masks[row]!;
    }
    return sum / weight;
  };
  const ofQ = meanOver((row) => nll[row]!);
  const ofP = meanOver((row) => referenceNll[row]!);
  const delta = (row: number): number => Math.exp(-nll[row]!) - Math.exp(-referenceNll[row]!);

  test.each([
    ['perplexity', perplexity.logits.standard_error, (rows: Int32Array) => Math.exp(ofQ(rows))],
    ['ratio', perplexity.ratio.standard_error, (rows: Int32Array) => Math.exp(ofQ(rows) - ofP(rows))],
    ['log ratio', perplexity.log_ratio.standard_error, (rows: Int32Array) => ofQ(rows) - ofP(rows)],
    [
      'difference',
      perplexity.difference.standard_error,
      (rows: Int32Array) => Math.exp(ofQ(rows)) - Math.exp(ofP(rows)),
    ],
    ['mean difference of probabilities', difference.standard_error, meanOver(delta)],
    ['rms', difference.rms_standard_error, (rows: Int32Array) => Math.sqrt(meanOver((row) => delta(row) ** 2)(rows))],
  ])('%s', (_name, error, statistic) => {
    // The bootstrap's own error is 1.3% for 3000 samples; the formulas are of first order in 1/n.
    expect(error! / bootstrap(n, statistic)).toBeCloseTo(1, 1);
  });
});
