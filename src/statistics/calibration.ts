import { CalibrationBins } from './calibration-bins.ts';
import { FLOAT64, statistic } from './statistic.ts';
import type { Sums } from './statistic.ts';

class CalibrationSums implements Sums {
  readonly bins = new CalibrationBins();

  adder({
    confidence,
    targetRank,
    predictions,
  }: {
    confidence: Float64Array;
    targetRank: Int32Array;
    predictions: Int32Array;
  }) {
    return (row: number, m: number): void => {
      // The calibration error does not include rows without a prediction.
      if (predictions[row]! >= 0) this.bins.add(m, confidence[row]!, targetRank[row] === 0);
    };
  }

  save() {
    return this.bins.save();
  }

  append(saved: ReturnType<CalibrationSums['save']>): void {
    this.bins.append(saved);
  }
}

/** Confidence of the prediction, exp(max x − lse), and its calibration error. */
export const CALIBRATION = statistic({
  columns: { confidence: FLOAT64 },
  needs: ['rank'],
  metrics: {
    ece: {
      description:
        'expected calibration error, Σ_b |Σ m·(hit − confidence)| / Σ m over the rows with a prediction, in 15 bins b of equal width over (0, 1] of the confidence max s',
      meaning: 'Expected calibration error over 15 bins.',
      example: 0.03,
      of: ({ bins }) => bins.error,
    },
  },
  // Subtracts the two logits first, because lse includes the rounding error of the row's offset.
  compute: ({ ranked, forward: { reference, logSum } }) => ({
    confidence: ranked().maximum.map((top, row) => Math.exp(top - reference[row]! - logSum[row]!)),
  }),
  sums: () => new CalibrationSums(),
});
