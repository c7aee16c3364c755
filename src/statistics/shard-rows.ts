import { FLOAT64, int32, statistic } from './statistic.ts';

const COUNT = int32((C) => [0, C]);

/** Results of the rows of a shard that every merge needs: see RowBlock. */
export const SHARD_ROWS = statistic({
  columns: {
    targetLogit: FLOAT64,
    reference: FLOAT64,
    logSum: FLOAT64,
    maximum: FLOAT64,
    nanCount: COUNT,
    posInfCount: COUNT,
    negInfCount: COUNT,
  },
  compute: ({ forward: { targetLogit, reference, logSum, maximum, nanCount, posInfCount, negInfCount } }) => ({
    targetLogit,
    reference,
    logSum,
    maximum,
    nanCount,
    posInfCount,
    negInfCount,
  }),
});
