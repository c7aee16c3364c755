import { FLOAT64, statistic } from './statistic.ts';

/** Largest logit, by which the predictions of shards are merged. */
export const LARGEST_LOGIT = statistic({
  columns: { top: FLOAT64 },
  compute: ({ ranked }) => ({ top: ranked().maximum }),
});
