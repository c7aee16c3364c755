import { FLOAT64, statistic } from './statistic.ts';

/** −log softmax at the target, or 0 without a target; with class probabilities Σ_c p_c·(lse − x_c). */
export const NLL = statistic({
  columns: { nll: FLOAT64 },
  terms: ['loss'],
  ofShard: ['nll', 'shardRows'],
  compute: ({ forward, soft }) => ({ nll: soft?.crossEntropy.nll ?? forward.nll }),
});
