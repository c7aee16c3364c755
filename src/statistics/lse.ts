import { FLOAT64, statistic } from './statistic.ts';

/** Log-sum-exp of the row. */
export const LSE = statistic({
  columns: { lse: FLOAT64 },
  terms: ['z_loss'],
  outputs: { lse: { column: 'lse', description: 'log Σ exp x', everyRow: true, overShards: true } },
  ofShard: ['shardRows'],
  compute: ({ forward }) => ({ lse: forward.lse }),
  merge: ({ sharded }) => ({ lse: sharded.lse }),
});
