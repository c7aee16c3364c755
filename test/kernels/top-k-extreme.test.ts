/** Top K of finite logits whose differences leave the range of float64, or whose exponentials do. */
import { describe, expect, test } from 'vitest';
import { NO_TARGET } from '../../kernels/abi.ts';
import { Kernel } from '../../kernels/kernel.ts';
import { decode, encode } from '../rows.ts';
import { ONE, exp, fixed, log, times, toNumber } from './fixed-point.ts';

const KERNELS = [Kernel.load('strict'), Kernel.load('auto')];

const DTYPES = [
  ['float32', 3.4028234663852886e38],
  ['bfloat16', 3e38],
  ['float16', 65_504],
  ['float64', 1e308],
  ['float64', 1.7e308],
] as const;

/** Rows of logits. The first two classes are the top K. */
const ROWS: readonly ((extreme: number) => number[])[] = [
  (b) => [b, 0, -b, -b],
  (b) => [0, b, -b, -b / 2],
  (b) => [-b, 0, b, 1],
  (b) => [0, -b, b, b / 2],
  (b) => [-b, -b, b, b],
  (b) => [b, b, -b, -b],
  (b) => [-b, -b, -b, -b],
  (b) => [b, b, b, b],
  () => [0, 1, -710, -720],
  () => [0, -1, -760, -30_000],
  () => [-740, -800, 0, 1],
];

const TOPS: readonly (readonly number[])[] = [
  [-0.5, -1.2],
  [-1e-3, -8],
  [-30, -40],
];

/** Divergence and gradient by their definitions. */
function exactly(q: readonly number[], logprobs: readonly number[], tail: 'bucket' | 'drop') {
  const logits = q.map(fixed);
  const lseOf = (xs: readonly bigint[]): bigint => {
    const most = xs.reduce((a, b) => (a > b ? a : b));
    return most + log(xs.reduce((sum, x) => sum + exp(x - most), 0n));
  };
  const lse = lseOf(logits);
  const restLse = lseOf(logits.slice(2));
  const ps = logprobs.map((lp) => exp(fixed(lp)));
  const mass = ps.reduce((sum, p) => sum + p, 0n);
  const restOfP = ONE - mass;
  let divergence = ps.reduce((sum, p, k) => sum + times(p, fixed(logprobs[k]!) - (logits[k]! - lse)), 0n);
  if (tail === 'bucket') divergence += times(restOfP, log(restOfP) - (restLse - lse));
  const gradient = logits.map((x, c) => {
    const p = ps[c];
    if (p !== undefined) return (tail === 'drop' ? times(exp(x - lse), mass) : exp(x - lse)) - p;
    return tail === 'drop' ? times(exp(x - lse), mass) : times(exp(x - restLse), exp(restLse - lse) - restOfP);
  });
  return { divergence: toNumber(divergence), gradient: gradient.map(toNumber) };
}

const CASES = (['bucket', 'drop'] as const).flatMap((tail) => DTYPES.map((dtype) => [tail, ...dtype] as const));

describe.each(CASES)('tail as %s, logits of %s up to ±%d', (tail, dtype, extreme) => {
  test.each(TOPS.map((logprobs) => ({ logprobs })))('and log-probabilities $logprobs', ({ logprobs }) => {
    const rows = ROWS.map((make) => [...decode(dtype, encode(dtype, make(extreme)))]);
    for (const kernel of KERNELS) {
      const placed = kernel.placeTopK({
        classes: 4,
        targets: new Int32Array(rows.length).fill(NO_TARGET),
        logits: { dtype, data: encode(dtype, rows.flat()) },
        K: 2,
        indices: Int32Array.from(rows.flatMap(() => [0, 1])),
        logprobs: Float64Array.from(rows.flatMap(() => logprobs)),
        tail,
      });
      const { divergence, infinite } = placed.compare();
      const gradient = new Float64Array(placed.gradient(new Float64Array(rows.length).fill(1), 'float64').buffer);
      rows.forEach((q, row) => {
        const exact = exactly(q, logprobs, tail);
        const bound = 1e-12 * Math.max(1, Math.abs(exact.divergence));
        expect(infinite[row], q.join()).toBe(-1);
        if (divergence[row] !== exact.divergence) {
          expect(Math.abs(divergence[row]! - exact.divergence), q.join()).toBeLessThanOrEqual(bound);
        }
        exact.gradient.forEach((value, c) => {
          expect(Math.abs(gradient[4 * row + c]! - value), `${q.join()}: class ${c}`).toBeLessThanOrEqual(1e-12);
        });
      });
    }
  });
});

test('a rest that counts as rounding adds nothing to the divergence and to the gradient', () => {
  const q = [0.3, -0.2, -Infinity, -Infinity];
  const ps = [0.6, 0.395];
  const lse = Math.log(Math.exp(0.3) + Math.exp(-0.2));
  for (const kernel of KERNELS) {
    const placed = kernel.placeTopK({
      classes: 4,
      targets: Int32Array.of(NO_TARGET),
      logits: { dtype: 'float64', data: encode('float64', q) },
      K: 2,
      indices: Int32Array.of(0, 1),
      logprobs: Float64Array.from(ps, Math.log),
      tail: 'bucket',
      rounding: 0.01,
    });
    const loss = ps.reduce((sum, p, c) => sum + p * (Math.log(p) - (q[c]! - lse)), 0);
    expect(placed.compare().divergence[0]).toBeCloseTo(loss + 1 - 0.995, 12);
    const gradient = new Float64Array(placed.gradient(Float64Array.of(1), 'float64').buffer);
    const expected = q.map((x, c) => Math.exp(x - lse) * 0.995 - (ps[c] ?? 0));
    expected.forEach((value, c) => expect(gradient[c]).toBeCloseTo(value, 12));
  }
});
