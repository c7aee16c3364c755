import { classUnit } from '../../kernels/class-unit.ts';
import { sumOf } from '../summation.ts';
import { mergeCrossEntropy } from './merge-cross-entropy.ts';
import { FLOAT64, statistic } from './statistic.ts';
import type { Shard, Shards } from './statistic.ts';

const COLUMNS = { uniformNll: FLOAT64 } as const;

/** Σ_c w_c·(lse − x_c) / classUnit, for label smoothing. */
export const UNIFORM_NLL = statistic({
  columns: COLUMNS,
  terms: ['smoothing'],
  ofShard: ['uniformNll'],
  compute: ({ kernel }) => ({ uniformNll: kernel.uniformNll() }),
  merge(shards: Shards<{ uniformNll: Float64Array; reference: Float64Array }>) {
    const { parts } = shards;
    const unit = classUnit(parts.reduce((sum, { classes }) => sum + classes, 0));
    const masses = parts.map(relativeWeight);
    const uniformNll = mergeCrossEntropy(shards, {
      termOf: (columns) => columns.uniformNll,
      massOf: (k) => masses[k]!,
      shareOf: (k) => classUnit(parts[k]!.classes) / unit,
    });
    return { uniformNll };
  },
});

/** Σ_c w_c / classUnit over the classes of a shard. */
function relativeWeight({ classWeights, classes }: Shard<object>): number {
  const unit = classUnit(classes);
  return classWeights === undefined ? classes / unit : sumOf(classWeights, unit);
}
