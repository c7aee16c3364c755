import { expect, test } from 'vitest';
import type { Variant } from '../../kernels/instance.ts';
import { Kernel } from '../../kernels/kernel.ts';
import { partOf } from '../lists.ts';
import { ExactPair } from './exact-divergence.ts';
import { toNumber } from './fixed-point.ts';
import { FINITE, WITH_NEG_INF, blockOf, makePairs, roundedPairs } from './pair-rows.ts';
import type { PairDTypes } from './pair-rows.ts';

const VARIANTS: readonly Variant[] = ['strict', 'relaxed'];
const kernels = VARIANTS.map((variant) => Kernel.load(variant));

test.each([
  ['float32', 'float32', 3e-6],
  ['bfloat16', 'float16', 3e-6],
  ['float64', 'float64', 1e-12],
] as const)(
  'a divergence with a floor has the errors of two log-sum-exps, in %s and %s',
  (reference, logits, bound) => {
    const dtypes: PairDTypes = [reference, logits];
    for (const classes of partOf([17, 1, 3, 600, 100], 4)) {
      const rows = roundedPairs(makePairs({ ...FINITE, ...WITH_NEG_INF }, classes), dtypes);
      const pairs = rows.map((row) => new ExactPair({ ...row, scale: 1 }));
      for (const floor of partOf([5, 40, 2, 16], 2)) {
        for (const kernel of kernels) {
          const { divergence } = kernel.placePair(blockOf(rows, dtypes)).compare({ direction: 'forward', floor });
          pairs.forEach((pair, row) => {
            const exact = pair.truncated(floor);
            const value = exact === undefined ? Infinity : toNumber(exact);
            const error = divergence[row] === value ? 0 : Math.abs(divergence[row]! - value);
            expect(error, rows[row]!.kind).toBeLessThanOrEqual(bound * Math.max(1, Math.abs(value)));
          });
        }
      }
    }
  },
);
