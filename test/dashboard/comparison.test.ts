import fc from 'fast-check';
import { expect, test } from 'vitest';
import { histogramOf } from '../../dashboard/src/comparison/bins.ts';
import { stretchesOf } from '../../dashboard/src/comparison/stretches.ts';
import { formatBytes, formatPercent, formatPower } from '../../dashboard/src/format/numbers.ts';

test('bins are of equal width on a logarithmic axis, and end at powers of ten', () => {
  const { bins } = histogramOf(new Float64Array([1e-3, 1e-2, 0.5]), 3);
  expect(bins[0]).toEqual({ from: 1e-3, to: 10 ** (-3 + 1 / 8), count: 1 });
  const widths = bins.map(({ from, to }) => Math.log10(to / from));
  for (const width of widths) expect(width).toBeCloseTo(1 / 8, 12);
  expect(bins.find(({ from }) => from === 1e-2)!.count).toBe(1);
  expect(bins.at(-1)!.from).toBeLessThanOrEqual(0.5);
  expect(bins.at(-1)!.to).toBeGreaterThan(0.5);
});

test('rows that are not counted are no rows of divergence 0', () => {
  const divergence = new Float64Array([0, 0, 0, 0.5, NaN, Infinity, -1e-9]);
  expect(histogramOf(divergence, 5)).toMatchObject({ zero: 2, nonFinite: 2 });
  expect(histogramOf(divergence, 3)).toMatchObject({ zero: 0, nonFinite: 2 });
  expect(histogramOf(new Float64Array(3), 3)).toEqual({ bins: [], zero: 3, nonFinite: 0 });
  expect(histogramOf(new Float64Array(), 0)).toEqual({ bins: [], zero: 0, nonFinite: 0 });
});

test('every counted row is in one bin, or beside them', () => {
  const value = fc.oneof(
    fc.double({ min: -320, max: 300, noNaN: true }).map((exponent) => 10 ** exponent),
    fc.constantFrom(0, NaN, Infinity, 5e-324, Number.MAX_VALUE, 1e-5, 1e-3, 1e-300),
  );
  fc.assert(
    fc.property(fc.array(value, { maxLength: 60 }), (values) => {
      const divergence = new Float64Array(values);
      const { bins, zero, nonFinite } = histogramOf(divergence, values.length);
      expect(bins.reduce((sum, { count }) => sum + count, zero + nonFinite)).toBe(values.length);
      expect(bins.length).toBeLessThanOrEqual(48);
      const first = bins.findIndex(({ count }) => count > 0);
      for (const [k, { from, to, count }] of bins.entries()) {
        if (k > 0) expect(from).toBe(bins[k - 1]!.to);
        if (k > first) expect(count).toBe(values.filter((one) => one >= from && one < to).length);
      }
    }),
  );
});

test('stretches have the greatest divergence and the rows that differ', () => {
  const divergence = new Float64Array([0.5, 0.1, NaN, 0, 0, 2, 0.25]);
  const agreement = new Int32Array([0, 1, 0, 0, 1, 0, 0]);
  expect(stretchesOf(divergence, agreement, 3)).toEqual([
    { first: 0, last: 1, greatest: 0.5, nonFinite: 0, differing: 1 },
    { first: 2, last: 3, greatest: 0, nonFinite: 1, differing: 1 },
    { first: 4, last: 6, greatest: 2, nonFinite: 0, differing: 2 },
  ]);
  expect(stretchesOf(divergence, agreement, 100)).toHaveLength(7);
  expect(stretchesOf(new Float64Array(), new Int32Array(), 100)).toEqual([]);
});

test('fractions read as percentages, and ends of an axis as powers of ten', () => {
  expect([0.98, -0.00012, undefined].map(formatPercent)).toEqual(['98.000 %', '−0.012 %', '–']);
  expect([1e-7, 1, 100].map(formatPower)).toEqual(['1e−7', '1e0', '1e2']);
  expect([512, 2048, 3 * 2 ** 30].map(formatBytes)).toEqual(['512 B', '2.0 KiB', '3.0 GiB']);
  expect([1023, 2 ** 20 - 1, 2 ** 20].map(formatBytes)).toEqual(['1023 B', '1.0 MiB', '1.0 MiB']);
});
