import { LEFT_OUT, Odd } from '../../kernels/abi.ts';
import { FLOAT64, int32, statistic } from './statistic.ts';

/** Results from which the class probabilities of shards are merged. */
export const SHARD_PROBABILITIES = statistic({
  columns: {
    /** Σ_c p_c */
    probabilitySum: FLOAT64,
    /** Σ_c w_c·p_c */
    probabilityMass: FLOAT64,
    /** Bits of Odd. */
    odd: int32(() => [0, Odd.notOne | Odd.negative | Odd.nonFinite]),
    /** The most probable class, and its probability. */
    label: int32((C) => [LEFT_OUT, C - 1]),
    labelProbability: FLOAT64,
  },
  compute({ soft }) {
    const { rows, probabilityAt } = soft!;
    const { targets, sums, masses, odd } = rows;
    const labelProbability = Float64Array.from(targets, (label, row) => (label < 0 ? 0 : probabilityAt(row, label)));
    return { probabilitySum: sums, probabilityMass: masses, odd, label: targets, labelProbability };
  },
});
