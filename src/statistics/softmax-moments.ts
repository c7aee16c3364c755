import { FLOAT64, statistic } from './statistic.ts';

/** Moments of the softmax from which the norm of the gradient is merged over shards: see SoftmaxMoments. */
export const SOFTMAX_MOMENTS = statistic({
  columns: { softmaxSpread: FLOAT64, softmaxAlong: FLOAT64, softmaxSlope: FLOAT64, weightNorm: FLOAT64 },
  compute: ({ kernel }) => kernel.softmaxMoments(),
});
