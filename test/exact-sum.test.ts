import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ExactSum } from '../src/exact-sum.ts';

/** A float64 times 2^1074, as an integer. */
function toInteger(x: number): bigint {
  const bits = new BigUint64Array(Float64Array.of(Math.abs(x)).buffer)[0]!;
  const exponent = bits >> 52n;
  const fraction = bits & ((1n << 52n) - 1n);
  const magnitude = exponent === 0n ? fraction : (fraction | (1n << 52n)) << (exponent - 1n);
  return x < 0 ? -magnitude : magnitude;
}

/** The float64 nearest to an integer times 2^-1074. Ties go to even. */
function toNumber(scaled: bigint): number {
  const magnitude = scaled < 0n ? -scaled : scaled;
  const shift = BigInt(Math.max(0, magnitude.toString(2).length - 53));
  let fraction = magnitude >> shift;
  const rest = magnitude - (fraction << shift);
  const half = shift === 0n ? 0n : 1n << (shift - 1n);
  if (shift > 0n && (rest > half || (rest === half && fraction % 2n === 1n))) fraction++;
  // The scaling is exact, because both factors stay in range.
  const result = Number(fraction) * 2 ** (Number(shift) > 1000 ? Number(shift) - 1074 : -1074 + Number(shift));
  return scaled < 0n ? -result : result;
}

const finite = fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e300, max: 1e300 });

describe('a sum', () => {
  test('is the exact one, rounded once, whatever the order, also when it was kept on the way', () => {
    fc.assert(
      fc.property(fc.array(finite, { maxLength: 30 }), fc.nat({ max: 30 }), (values, cut) => {
        const exact = toNumber(values.reduce((sum, value) => sum + toInteger(value), 0n)) + 0;
        expect(ExactSum.of(values).value + 0).toBe(exact);
        expect(ExactSum.of(values.toReversed()).value + 0).toBe(exact);
        const kept = ExactSum.from(ExactSum.of(values.slice(0, cut)).toBytes());
        for (const value of values.slice(cut)) kept.add(value);
        expect(kept.value + 0).toBe(exact);
      }),
      { numRuns: 2000 },
    );
  });

  test.each<[number[], number]>([
    [[], 0],
    [[1e100, 1, -1e100], 1],
    [[0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], 1],
    [[2 ** 53, 1, 2 ** -100], 2 ** 53 + 2],
    [[1, Infinity, 2], Infinity],
    [[Infinity, -Infinity], Number.NaN],
    [[1, Number.NaN], Number.NaN],
    [[1.7e308, 1.7e308], Infinity],
    [[1.7e308, 1.7e308, 1.7e308, 1], Infinity],
    [[-1.7e308, 1, -1.7e308, -1.7e308], -Infinity],
  ])('of %j is %d', (values, expected) => {
    expect(ExactSum.of(values).value).toBe(expected);
    expect(ExactSum.from(ExactSum.of(values).toBytes()).value).toBe(expected);
  });
});

describe('products', () => {
  const factor = fc
    .double({ noNaN: true, noDefaultInfinity: true, min: -1e60, max: 1e60 })
    .filter((x) => x === 0 || Math.abs(x) > 1e-60);

  /** The exact product as an integer times 2^-2148. */
  const product = (a: number, b: number): bigint => toInteger(a) * toInteger(b);

  test('are added without rounding', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(factor, factor), { maxLength: 12 }), factor, (pairs, times) => {
        const sum = ExactSum.of();
        for (const [a, b] of pairs) sum.addProduct(a, b);
        const exact = pairs.reduce((total, [a, b]) => total + product(a, b), 0n);
        // No product here has digits below 2^-1074.
        expect(sum.value + 0).toBe(toNumber(exact >> 1074n) + 0);
        const scaled = ExactSum.of();
        scaled.includeProduct(ExactSum.of(pairs.map(([a]) => a)), times);
        const exactScaled = pairs.reduce((total, [a]) => total + product(a, times), 0n);
        expect(scaled.value + 0).toBe(toNumber(exactScaled >> 1074n) + 0);
      }),
    );
  });

  test.each([
    [Infinity, 2, Infinity],
    [1e200, 1e200, Infinity],
    [-1e300, 4, -4e300],
    [Infinity, 0, Number.NaN],
  ])('%d · %d is %d', (a, b, expected) => {
    const sum = ExactSum.of();
    sum.addProduct(a, b);
    expect(sum.value).toBe(expected);
  });

  test('of a sum that is not finite are not finite', () => {
    const sum = ExactSum.of();
    sum.includeProduct(ExactSum.of([Infinity, 1]), -2);
    expect(sum.value).toBe(-Infinity);
  });
});
