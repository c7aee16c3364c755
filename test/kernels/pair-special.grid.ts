import { describe, expect, test } from 'vitest';
import { LEFT_OUT, NO_TARGET } from '../../kernels/abi.ts';
import { Arena } from '../../kernels/arena.ts';
import { compile } from '../../kernels/instance.ts';
import type { Instance, Variant } from '../../kernels/instance.ts';
import { Kernel } from '../../kernels/kernel.ts';
import { RowBlockLayout } from '../../kernels/layouts.ts';
import { PlacedPair } from '../../kernels/pair.ts';
import type { Comparison } from '../../kernels/pair.ts';
import { FLOAT_DTYPES } from '../../src/tensor/dtype.ts';
import { seededRandom } from '../rows.ts';
import { ExactPair } from './exact-divergence.ts';
import { toNumber } from './fixed-point.ts';
import { FINITE, blockOf, makePairs, roundedPairs } from './pair-rows.ts';
import type { PairDTypes } from './pair-rows.ts';

const VARIANTS: readonly Variant[] = ['strict', 'relaxed'];
const kernels = VARIANTS.map((variant) => Kernel.load(variant));

const COMPARISONS: readonly Comparison[] = [
  { direction: 'forward' },
  { direction: 'reverse' },
  { direction: 'jensen_shannon', beta: 0.5 },
  { direction: 'jensen_shannon', beta: 0.1 },
  { direction: 'jensen_shannon', beta: 0.98 },
  { direction: 'forward', floor: 16 },
];

/** Every kernel with every comparison. */
const ALL = kernels.flatMap((kernel) => COMPARISONS.map((comparison) => ({ kernel, comparison })));

const exactly = ({ direction, beta }: Comparison, pair: ExactPair): number =>
  toNumber(
    direction === 'forward'
      ? pair.forwardKl()!
      : direction === 'reverse'
        ? pair.reverseKl()!
        : pair.jensenShannon(beta!),
  );

test.each(FLOAT_DTYPES)('equal tensors of %s diverge by exactly 0', (dtype) => {
  for (const classes of [1, 5, 16, 300]) {
    const pairs = makePairs(FINITE, classes);
    const dtypes = [dtype, dtype] as const;
    const rows = roundedPairs(
      pairs.flatMap(({ kind, p, q }) => [
        { kind, p, q: p },
        { kind, p: q, q },
        {
          kind,
          p: q.map((x, c) => (c > 0 && c % 3 === 0 ? -Infinity : x)),
          q: q.map((x, c) => (c > 0 && c % 3 === 0 ? -Infinity : x)),
        },
      ]),
      dtypes,
    );
    for (const scale of [1, 0.3, 7]) {
      const block = blockOf(rows, dtypes, { scale });
      for (const { kernel, comparison } of ALL) {
        const { divergence, infinite } = kernel.placePair(block).compare(comparison);
        expect(divergence).toEqual(new Float64Array(rows.length));
        expect(infinite).toEqual(new Int32Array(rows.length).fill(-1));
      }
    }
  }
});

describe('rows that are not comparable', () => {
  const random = seededRandom(5);
  const plain = (classes: number): number[] => Array.from({ length: classes }, () => 6 * random() - 3);

  test.each(FLOAT_DTYPES)('are NaN and leave the rows beside them as they are, in %s', (dtype) => {
    for (const classes of [2, 9, 300]) {
      const dtypes = [dtype, dtype] as const;
      const values = dtype === 'float8_e4m3fn' ? [Number.NaN] : [Number.NaN, Infinity];
      const bad = values.flatMap((value) =>
        [0, classes >> 1, classes - 1].flatMap((at) => [
          { p: plain(classes).with(at, value), q: plain(classes) },
          { p: plain(classes), q: plain(classes).with(at, value) },
          { p: plain(classes).with(at, value), q: plain(classes).with(at, value) },
        ]),
      );
      if (dtype !== 'float8_e4m3fn') {
        const nothing = Array.from({ length: classes }, () => -Infinity);
        bad.push({ p: nothing, q: plain(classes) }, { p: plain(classes), q: nothing }, { p: nothing, q: nothing });
      }
      const good = { p: plain(classes), q: plain(classes) };
      const rows = bad
        .flatMap((row) => [row, good])
        .map(({ p, q }) => ({ p: Float64Array.from(p), q: Float64Array.from(q) }));
      const targets = (): number => NO_TARGET;
      const block = blockOf(rows, dtypes, { targets });
      const single = blockOf([rows[1]!], dtypes, { targets });
      for (const { kernel, comparison } of ALL) {
        const alone = kernel.placePair(single).compare(comparison).divergence[0]!;
        const pair = kernel.placePair(block);
        const expected = rows.map((_, row) => (row % 2 === 0 ? Number.NaN : alone));
        expect(Array.from(pair.compare(comparison).divergence)).toEqual(expected);
        const computed = dtype === 'float64' ? 'float64' : 'float32';
        const gradient = pair.gradient(new Float64Array(rows.length).fill(1), computed);
        const elements = computed === 'float64' ? new Float64Array(gradient.buffer) : new Float32Array(gradient.buffer);
        expect(Array.from(elements, Number.isNaN)).toEqual(
          rows.flatMap((_, row) => Array.from({ length: classes }, () => row % 2 === 0)),
        );
      }
    }
  });

  test('are 0 where they are left out, whatever they hold', () => {
    const classes = 20;
    const dtypes = ['float32', 'float32'] as const;
    const rows = [Number.NaN, Infinity, -Infinity, 1].map((value) => ({
      p: Float64Array.from(plain(classes), (x, c) => (c % 2 === 0 ? value : x)),
      q: new Float64Array(classes).fill(value),
    }));
    for (const { kernel, comparison } of ALL) {
      const pair = kernel.placePair(blockOf(rows, dtypes, { targets: () => LEFT_OUT }));
      const { divergence, infinite } = pair.compare(comparison);
      expect(divergence).toEqual(new Float64Array(rows.length));
      expect(infinite).toEqual(new Int32Array(rows.length).fill(-1));
      const gradient = pair.gradient(new Float64Array(rows.length).fill(1), 'float32');
      expect(new Float32Array(gradient.buffer)).toEqual(new Float32Array(rows.length * classes));
    }
  });
});

test('a class that only one side has makes Kullback–Leibler infinite, and its place is found', () => {
  for (const classes of [4, 40, 400]) {
    for (const at of [0, 3, classes >> 1, classes - 1]) {
      const row = Array.from({ length: classes }, (_, c) => Math.sin(c));
      const without = row.with(at, -Infinity).with(classes - 1, -Infinity);
      for (const dtype of ['float16', 'bfloat16', 'float32', 'float64'] as const) {
        const dtypes = [dtype, dtype] as const;
        for (const kernel of kernels) {
          const compare = (p: number[], q: number[], comparison: Comparison) =>
            kernel
              .placePair(blockOf([{ p: Float64Array.from(p), q: Float64Array.from(q) }], dtypes))
              .compare(comparison);
          const missing = compare(row, without, { direction: 'forward' });
          expect([missing.divergence[0], missing.infinite[0]]).toEqual([Infinity, at]);
          expect(compare(without, row, { direction: 'forward' }).infinite[0]).toBe(-1);
          expect(compare(without, row, { direction: 'forward' }).divergence[0]).toBeLessThan(10);
          const reversed = compare(without, row, { direction: 'reverse' });
          expect([reversed.divergence[0], reversed.infinite[0]]).toEqual([Infinity, at]);
          const mixed = compare(without, row, { direction: 'jensen_shannon', beta: 0.5 });
          expect(mixed.divergence[0]).toBeLessThan(Math.LN2);
          expect(mixed.infinite[0]).toBe(-1);
        }
      }
    }
  }
});

/** Adds errors to lse and log S of both sides before a divergence reads them. */
function disturb({ memory, bindings }: Instance, errors: { p: number; q: number }): void {
  const divergence = bindings.divergence.bind(bindings);
  bindings.divergence = (dtype, given) => {
    const { rows, first, end, pResults, qResults } = given;
    for (const [results, error] of [
      [pResults, errors.p],
      [qResults, errors.q],
    ] as const) {
      for (const column of [RowBlockLayout.lse, RowBlockLayout.logSum]) {
        const values = new Float64Array(memory.buffer, results + rows * column, rows);
        for (let row = first; row < end; row++) values[row]! += error;
      }
    }
    divergence(dtype, given);
  };
}

test.each(VARIANTS)('errors of 2e-6 in the log-sum-exps do not show in the divergence (%s)', (variant) => {
  const dtypes = ['float32', 'float32'] as const;
  const rows = roundedPairs(makePairs(FINITE, 300), dtypes);
  const pairs = rows.map((row) => new ExactPair({ ...row, scale: 1 }));
  const instance = compile(variant).make();
  const errors = { p: 0, q: 0 };
  disturb(instance, errors);
  const { bindings, memory } = instance;
  const arena = new Arena(memory, bindings.heapBase());
  const block = blockOf(rows, dtypes);
  const logSums = new PlacedPair({ bindings, arena }, block).compare({ direction: 'forward' }).logits.logSum;
  for (const comparison of COMPARISONS.filter(({ floor }) => floor === undefined)) {
    const wanted = pairs.map((pair) => exactly(comparison, pair));
    for (const p of [-2e-6, 2e-6]) {
      for (const q of [-2e-6, 2e-6]) {
        Object.assign(errors, { p, q });
        arena.clear();
        const { divergence, logits } = new PlacedPair({ bindings, arena }, block).compare(comparison);
        expect(Math.abs(logits.logSum[0]! - logSums[0]!)).toBeCloseTo(2e-6, 12);
        const relative = wanted.map((value, row) => Math.abs(divergence[row]! - value) / Math.max(value, 1e-9));
        expect(Math.max(...relative)).toBeLessThan(2e-6);
      }
    }
  }
});

describe('a vocabulary of 262,144 classes', () => {
  const classes = 262_144;
  /** Few different pairs of logits, so that the oracle evaluates each of them once. */
  const makers: Record<string, (c: number) => [number, number]> = {
    'steps of 1/8': (c) => [((c * 37) % 161) / 8 - 10, ((c * 37) % 161) / 8 - 10 + ((c * 11) % 7) / 16],
    'steps of 1/8, far apart': (c) => [((c * 37) % 161) / 8 - 10, ((c * 53) % 161) / 8 - 10],
    near: (c) => [((c * 37) % 161) / 8 - 10, ((c * 37) % 161) / 8 - 10 + ((c * 11) % 7) / 1024],
    'flat, one class moved': (c) => [0.3, c === 200_000 ? 0.55 : 0.3],
    'a peak in the middle': (c) => [c === 100_000 ? 20 : (c % 8) / 8, c === 100_000 ? 20.25 : (c % 9) / 8],
  };

  test.each([
    ['float32', 'float32'],
    ['float16', 'bfloat16'],
    ['float64', 'float64'],
  ] as PairDTypes[])('is compared to the promised digits in %s and %s', (...dtypes) => {
    const pairs = Object.entries(makers).map(([kind, make]) => {
      const values = Array.from({ length: classes }, (_, c) => make(c));
      return { kind, p: values.map(([p]) => p), q: values.map(([, q]) => q) };
    });
    const rows = roundedPairs(pairs, dtypes);
    const exact = rows.map((row) => new ExactPair({ ...row, scale: 1 }));
    const block = blockOf(rows, dtypes);
    for (const comparison of COMPARISONS.filter(({ floor }) => floor === undefined)) {
      const wanted = exact.map((pair) => exactly(comparison, pair));
      for (const kernel of kernels) {
        const { divergence } = kernel.placePair(block).compare(comparison);
        wanted.forEach((value, row) => {
          const bound = Math.max(value, 1e-9) * (dtypes.includes('float64') ? 1e-12 : 2e-6);
          expect(Math.abs(divergence[row]! - value), rows[row]!.kind).toBeLessThanOrEqual(bound);
        });
      }
    }
  });
});
