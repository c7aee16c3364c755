import { mergeCrossEntropy } from './merge-cross-entropy.ts';
import { FLOAT64, statistic } from './statistic.ts';
import type { Shards } from './statistic.ts';

/** Σ_c w_c·p_c·(lse − x_c), for class probabilities with class weights. */
export const WEIGHTED_NLL = statistic({
  columns: { weightedNll: FLOAT64 },
  terms: ['weighted_probabilities'],
  ofShard: ['weightedNll'],
  compute: ({ soft }) => ({ weightedNll: soft!.crossEntropy.weighted! }),
  merge(shards: Shards<Record<'weightedNll' | 'reference' | 'probabilityMass', Float64Array>>) {
    const weightedNll = mergeCrossEntropy(shards, {
      termOf: (columns) => columns.weightedNll,
      massOf: (k, row) => shards.parts[k]!.columns.probabilityMass[row]!,
    });
    return { weightedNll };
  },
});
