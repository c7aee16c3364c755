/** Divergences from the top K of a teacher, and their gradients, against numbers of 58 decimals. */
import { describe, expect, test } from 'vitest';
import { Kernel } from '../../kernels/kernel.ts';
import { LEFT_OUT, NO_TARGET } from '../../kernels/abi.ts';
import type { FloatDType } from '../../src/tensor/dtype.ts';
import { partOf } from '../lists.ts';
import { decode, encode, seededRandom } from '../rows.ts';
import { ONE, exp, fixed, log, over, times, toNumber } from './fixed-point.ts';

const KERNELS = [Kernel.load('strict'), Kernel.load('auto')];

interface Teacher {
  indices: number[];
  logprobs: number[];
}

/** The top K of the softmax of logits, in descending order. */
function topOf(logits: readonly number[], K: number): Teacher {
  const most = Math.max(...logits);
  const lse = most + Math.log(logits.reduce((sum, x) => sum + Math.exp(x - most), 0));
  const indices = [...logits.keys()].toSorted((a, b) => logits[b]! - logits[a]!).slice(0, K);
  return { indices, logprobs: indices.map((c) => logits[c]! - lse) };
}

/** Divergence and gradient by their definitions. */
function exactly(q: ArrayLike<number>, { indices, logprobs }: Teacher, tail: 'bucket' | 'drop') {
  const weights = Array.from(q, (x) => (x === -Infinity ? 0n : exp(fixed(x))));
  const total = weights.reduce((sum, w) => sum + w, 0n);
  const qs = weights.map((w) => over(w, total));
  const ps = logprobs.map((lp) => exp(fixed(lp)));
  const mass = ps.reduce((sum, p) => sum + p, 0n);
  const inTop = new Map(indices.map((c, k) => [c, ps[k]!]));
  const restOfQ = qs.reduce((sum, one, c) => (inTop.has(c) ? sum : sum + one), 0n);
  const restOfP = ONE > mass ? ONE - mass : 0n;
  let divergence = indices.reduce((sum, c, k) => sum + times(ps[k]!, fixed(logprobs[k]!) - log(qs[c]!)), 0n);
  if (tail === 'bucket' && restOfP > 0n) divergence += times(restOfP, log(restOfP) - log(restOfQ));
  const share = tail === 'drop' ? mass : ONE - over(restOfP, restOfQ === 0n ? ONE : restOfQ);
  const gradient = qs.map((one, c) => {
    const p = inTop.get(c);
    if (p === undefined) return toNumber(times(one, share));
    return toNumber((tail === 'drop' ? times(one, mass) : one) - p);
  });
  return { divergence: toNumber(divergence), gradient };
}

const random = seededRandom(41);
const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

interface Shape {
  classes: number;
  K: number;
  /** Size of the difference between the two models. */
  noise: number;
  spread: number;
}

const SHAPES: readonly Shape[] = [
  { classes: 2, K: 1, noise: 1, spread: 2 },
  { classes: 7, K: 3, noise: 1, spread: 3 },
  { classes: 40, K: 39, noise: 0.5, spread: 2 },
  { classes: 40, K: 5, noise: 1e-3, spread: 2 },
  { classes: 600, K: 20, noise: 1e-4, spread: 3 },
  { classes: 600, K: 20, noise: 8, spread: 8 },
  { classes: 1031, K: 64, noise: 0.1, spread: 12 },
];

const placed = (kernel: Kernel, dtype: FloatDType, rows: number[][], teachers: Teacher[], tail: 'bucket' | 'drop') =>
  kernel.placeTopK({
    classes: rows[0]!.length,
    targets: new Int32Array(rows.length).fill(NO_TARGET),
    logits: { dtype, data: encode(dtype, rows.flat()) },
    K: teachers[0]!.indices.length,
    indices: Int32Array.from(teachers.flatMap(({ indices }) => indices)),
    logprobs: Float64Array.from(teachers.flatMap(({ logprobs }) => logprobs)),
    tail,
  });

describe.each(['bucket', 'drop'] as const)('tail as %s', (tail) => {
  test.each(
    partOf(SHAPES, 2).flatMap((shape) =>
      partOf(['float32', 'float16', 'float64'] as const, 2).map((dtype) => ({ ...shape, dtype })),
    ),
  )('K = $K of $classes classes of $dtype, models $noise apart', ({ classes, K, noise, spread, dtype }) => {
    const rows = Array.from({ length: 6 }, () => Array.from({ length: classes }, () => spread * normal()));
    const rounded = rows.map((row) => [...decode(dtype, encode(dtype, row))]);
    const teachers = rounded.map((row) =>
      topOf(
        row.map((x) => x + noise * normal()),
        K,
      ),
    );
    for (const kernel of KERNELS) {
      const top = placed(kernel, dtype, rows, teachers, tail);
      const { divergence } = top.compare();
      const coefficients = Float64Array.from(rows, (_, row) => 0.5 + row);
      const gradient = new Float64Array(top.gradient(coefficients, 'float64').buffer);
      rounded.forEach((q, row) => {
        const exact = exactly(q, teachers[row]!, tail);
        const found = divergence[row]!;
        // The rest is 1 minus the float64 sum of the top K, so that its error is absolute.
        expect(Math.abs(found - exact.divergence)).toBeLessThanOrEqual(1e-13 + 1e-10 * Math.abs(exact.divergence));
        if (tail === 'bucket') expect(found).toBeGreaterThanOrEqual(0);
        exact.gradient.forEach((expected, c) => {
          const most = 1e-12 * coefficients[row]!;
          expect(Math.abs(gradient[row * classes + c]! - coefficients[row]! * expected)).toBeLessThanOrEqual(most);
        });
      });
    }
  });
});

test('the rest of the vocabulary keeps its digits far below the top K', () => {
  for (const depth of [15, 40, 80, 200, 600]) {
    const q = [0, -1, -depth, -depth - 1];
    const teacher = { indices: [0, 1], logprobs: [-0.5, -1.2] };
    for (const kernel of KERNELS) {
      const { divergence } = placed(kernel, 'float32', [q], [teacher], 'bucket').compare();
      // With 192 bits the oracle cannot represent values below exp(−133).
      const exact = depth < 120 ? exactly(q, teacher, 'bucket').divergence : byLogs(q, teacher);
      expect(Math.abs(divergence[0]! / exact - 1), `depth ${depth}`).toBeLessThanOrEqual(1e-13);
    }
  }
});

/** The divergence computed from logarithms, for a rest far below the top K. */
function byLogs(q: readonly number[], { indices, logprobs }: Teacher): number {
  const lse = Math.log(q.reduce((sum, x) => sum + Math.exp(x), 0));
  const rest = q.filter((_, c) => !indices.includes(c));
  const restOfQ = rest[0]! + Math.log(rest.reduce((sum, x) => sum + Math.exp(x - rest[0]!), 0)) - lse;
  const restOfP = 1 - logprobs.reduce((sum, lp) => sum + Math.exp(lp), 0);
  const ofTop = indices.reduce((sum, c, k) => sum + Math.exp(logprobs[k]!) * (logprobs[k]! - (q[c]! - lse)), 0);
  return ofTop + restOfP * (Math.log(restOfP) - restOfQ);
}

describe('special rows', () => {
  const [kernel] = KERNELS as [Kernel, Kernel];
  const teacher = { indices: [2, 0], logprobs: [-0.4, -1.5] };
  const compare = (q: number[], tail: 'bucket' | 'drop' = 'bucket', one: Teacher = teacher) => {
    const { divergence, infinite } = placed(kernel, 'float32', [q], [one], tail).compare();
    return [divergence[0], infinite[0]];
  };

  test.each([
    [
      [1, 2, Number.NaN],
      [Number.NaN, -1],
    ],
    [
      [1, Infinity, 2],
      [Number.NaN, -1],
    ],
    [
      [-Infinity, -Infinity, -Infinity],
      [Number.NaN, -1],
    ],
    [
      [1, 2, -Infinity],
      [Infinity, 2],
    ],
    [
      [1, -Infinity, 2],
      [Infinity, 1],
    ],
  ])('%j', (q, expected) => {
    expect(compare(q)).toEqual(expected);
  });

  test('a dropped rest is not asked for', () => {
    expect(compare([1, -Infinity, 2], 'drop')[1]).toBe(-1);
  });

  test('the whole vocabulary of an equal model is 0', () => {
    const q = [0.25, -1, 2];
    const [divergence] = compare(q, 'bucket', topOf(q, 3));
    expect(divergence).toBeGreaterThanOrEqual(0);
    expect(divergence).toBeLessThan(1e-30);
  });

  test('log-probabilities of −Infinity are of no class', () => {
    const [divergence] = compare([0, 0, 0], 'drop', { indices: [0, 1], logprobs: [0, -Infinity] });
    expect(divergence).toBeCloseTo(Math.log(3), 12);
  });

  test('rows that are left out have 0, also in the gradient', () => {
    const top = kernel.placeTopK({
      ...{ classes: 3, K: 1, tail: 'bucket', targets: Int32Array.of(LEFT_OUT, NO_TARGET) },
      logits: { dtype: 'float32', data: encode('float32', [Number.NaN, 1, 2, 1, 2, 3]) },
      indices: Int32Array.of(0, 1),
      logprobs: Float64Array.of(-1, -2),
    });
    const { divergence } = top.compare();
    const gradient = new Float32Array(top.gradient(Float64Array.of(1, 1), 'float32').buffer);
    expect(divergence[0]).toBe(0);
    expect(divergence[1]).toBeGreaterThan(0);
    expect([...gradient.subarray(0, 3)]).toEqual([0, 0, 0]);
    expect(gradient.subarray(3).reduce((sum, g) => sum + g, 0)).toBeCloseTo(0, 6);
  });

  test.each(['float64', 'float32'] as const)(
    'a rest of −Infinity leaves the %s gradient of other rows alone',
    (dtype) => {
      // A row of 8 classes has no padding before the next row.
      const q = [1, 0.5, 2, -1, 0, 1.5, 3, -2];
      const lone = [1, ...Array.from({ length: 7 }, () => -Infinity)];
      const one: Teacher = { indices: [0], logprobs: [-0.3] };
      const gradientOf = (rows: number[][]): number[] => {
        const top = placed(
          kernel,
          'float32',
          rows,
          rows.map(() => one),
          'drop',
        );
        top.compare();
        return [...decode(dtype, top.gradient(new Float64Array(rows.length).fill(1), dtype))];
      };
      const [alone, beside] = [gradientOf([q]), gradientOf([q, lone])];
      expect(beside.slice(0, 8)).toEqual(alone);
      expect(alone.some((g) => g !== 0)).toBe(true);
      expect(beside.slice(9)).toEqual([0, 0, 0, 0, 0, 0, 0]);
    },
  );
});
