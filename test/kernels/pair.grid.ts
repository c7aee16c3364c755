import { describe, expect, test } from 'vitest';
import { NO_TARGET } from '../../kernels/abi.ts';
import type { Variant } from '../../kernels/instance.ts';
import { Kernel } from '../../kernels/kernel.ts';
import type { Comparison, PairBlock } from '../../kernels/pair.ts';
import { ExactPair } from './exact-divergence.ts';
import { toNumber } from './fixed-point.ts';
import { FINITE, WITH_NEG_INF, blockOf, makePairs, roundedPairs } from './pair-rows.ts';
import type { PairDTypes, PairMaker, RoundedPair } from './pair-rows.ts';

const VARIANTS: readonly Variant[] = ['strict', 'relaxed'];
const kernels = VARIANTS.map((variant) => Kernel.load(variant));

const DTYPES: readonly PairDTypes[] = [
  ['float32', 'float32'],
  ['float16', 'float16'],
  ['bfloat16', 'bfloat16'],
  ['bfloat16', 'float16'],
  ['float32', 'bfloat16'],
  ['float16', 'float32'],
  ['float64', 'float64'],
  ['float32', 'float64'],
  ['float64', 'bfloat16'],
  ['float8_e4m3fn', 'float8_e5m2'],
  ['float32', 'float8_e4m3fn'],
];

/** Numbers of classes around the lengths of vectors and tiles. */
const CLASSES = [1, 2, 3, 8, 17, 64, 257, 600];

/** Divergence below which the error bound is absolute. */
const LEAST = 1e-9;

interface Divergence {
  comparison: Comparison;
  exact: (pair: ExactPair) => bigint | undefined;
}

const DIVERGENCES: readonly Divergence[] = [
  { comparison: { direction: 'forward' }, exact: (pair) => pair.forwardKl() },
  { comparison: { direction: 'reverse' }, exact: (pair) => pair.reverseKl() },
  ...[0.5, 0.9, 1e-3].map((beta): Divergence => ({
    comparison: { direction: 'jensen_shannon', beta },
    exact: (pair) => pair.jensenShannon(beta),
  })),
];

const promiseOf = (dtypes: PairDTypes): number => (dtypes.includes('float64') ? 1e-12 : 2e-6);

/** Divergences of a block whose errors exceed the promised bound. */
function wrongOf(block: PairBlock, rows: readonly RoundedPair[], dtypes: PairDTypes): object[] {
  const pairs = rows.map((row) => new ExactPair({ ...row, scale: block.scale }));
  return DIVERGENCES.flatMap(({ comparison, exact }) => {
    const wanted = pairs.map((pair) => {
      const value = exact(pair);
      return value === undefined ? Infinity : toNumber(value);
    });
    return kernels.flatMap((kernel) => {
      const { divergence } = kernel.placePair(block).compare(comparison);
      return wanted.flatMap((value, row) => {
        const got = divergence[row]!;
        const bound = Math.max(value, LEAST) * promiseOf(dtypes);
        const isRight = value === Infinity ? got === value : got >= 0 && Math.abs(got - value) <= bound;
        return isRight ? [] : [{ kind: rows[row]!.kind, variant: kernel.variant, ...comparison, got, value }];
      });
    });
  });
}

describe.each(DTYPES)('divergences of %s and %s', (...dtypes) => {
  test.each(CLASSES)('are exact to the promised digits for %i classes', (classes) => {
    const rows = roundedPairs(makePairs({ ...FINITE, ...WITH_NEG_INF }, classes), dtypes);
    expect(rows.length).toBeGreaterThan(20);
    expect(wrongOf(blockOf(rows, dtypes), rows, dtypes)).toEqual([]);
  });

  test.each([0.1, 0.37, 3, 10])('are exact to the promised digits for logits times %d', (scale) => {
    const rows = roundedPairs(makePairs({ ...FINITE, ...WITH_NEG_INF }, 100), dtypes);
    expect(wrongOf(blockOf(rows, dtypes, { scale }), rows, dtypes)).toEqual([]);
  });
});

/** Classes of a long row whose noise is greater than the limit of the series. */
const FAR: Readonly<Record<string, (c: number) => boolean>> = {
  none: () => false,
  'one in a thousand': (c) => c % 1000 === 999,
  'in every second tile': (c) => c % 128 === 7,
  'in all tiles': (c) => c % 64 === 7,
  'in all tiles of the end': (c) => c > 9000 && c % 64 === 7,
};

test.each(Object.entries(FAR))('long rows are exact where far classes are: %s', (kind, isFar) => {
  const dtypes = ['float32', 'float32'] as const;
  const make: PairMaker = (classes, random) => {
    const p = Array.from({ length: classes }, () => 8 * random() - 4);
    return { p, q: p.map((x, c) => x + (isFar(c) ? 3 : 0.4) * (2 * random() - 1)) };
  };
  const rows = roundedPairs(makePairs({ [kind]: make }, 20_011), dtypes);
  expect(wrongOf(blockOf(rows, dtypes), rows, dtypes)).toEqual([]);
});

test('a label changes no digit that is promised, at any place', () => {
  const dtypes = ['float32', 'float32'] as const;
  const classes = 70;
  for (const kind of ['noise of 1e-3', 'peak of 21 at the end', 'both confident alike', '−Inf in P']) {
    const [row] = roundedPairs(makePairs({ [kind]: { ...FINITE, ...WITH_NEG_INF }[kind]! }, classes), dtypes);
    const rows = Array.from({ length: classes + 1 }, () => row!);
    expect(wrongOf(blockOf(rows, dtypes, { targets: (k) => (k === classes ? NO_TARGET : k) }), rows, dtypes)).toEqual(
      [],
    );
  }
});
