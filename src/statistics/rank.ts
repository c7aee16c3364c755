import { LEFT_OUT } from '../../kernels/abi.ts';
import { CompensatedSum } from '../summation.ts';
import { largestOf } from './largest-of.ts';
import { int32, statistic } from './statistic.ts';
import type { ColumnsOf, Shards, Sums } from './statistic.ts';

/** Prediction of a row that contains a NaN, and the rank of its target. */
export const NO_PREDICTION = -1;

const COLUMNS = {
  predictions: int32((C) => [0, C - 1]),
  targetRank: int32((C) => [LEFT_OUT, C - 1]),
} as const;

type RankColumns = ColumnsOf<typeof COLUMNS>;

class RankSums implements Sums {
  /** Σ m of rows whose label has rank 0, and of rows whose label has a rank below 5. */
  readonly hits = new CompensatedSum();
  readonly top5 = new CompensatedSum();
  withoutPrediction = 0;

  adder({ predictions, targetRank }: RankColumns) {
    return (row: number, m: number): void => {
      const rank = targetRank[row]!;
      if (rank === 0) this.hits.add(m);
      if (rank >= 0 && rank < 5) this.top5.add(m);
      if (predictions[row] === NO_PREDICTION) this.withoutPrediction++;
    };
  }

  save() {
    return { hits: this.hits.value, top5: this.top5.value, withoutPrediction: this.withoutPrediction };
  }

  append({ hits, top5, withoutPrediction }: ReturnType<RankSums['save']>): void {
    this.hits.add(hits);
    this.top5.add(top5);
    this.withoutPrediction += withoutPrediction;
  }
}

/** Counted rows without a prediction. @param sums sums of RANK, if it was requested */
export function rowsWithoutPrediction(sums: Sums | undefined): number | undefined {
  return sums instanceof RankSums ? sums.withoutPrediction : undefined;
}

/** Stands for any rank except 0: shards cannot determine the exact rank, and no answer needs it. */
const NOT_FIRST = 2 ** 31 - 1;

/** Predictions, and ranks of the targets. */
export const RANK = statistic({
  columns: COLUMNS,
  outputs: {
    predictions: {
      column: 'predictions',
      description: 'index of the largest logit, the lowest index on ties; −1 for rows that hold a NaN',
      overShards: true,
    },
    target_rank: {
      column: 'targetRank',
      description:
        'number of classes before the label when classes are sorted by descending logit, then by index. With class probabilities, the label is the most probable class, the lowest index on ties. −1 for rows that are not counted, have an invalid label, or hold a NaN',
    },
  },
  metrics: {
    accuracy: {
      description: 'target_rank = 0',
      meaning: 'Share of rows whose label is the prediction.',
      example: 0.5,
      overShards: true,
      of: ({ hits }, weight) => hits.value / weight,
    },
    top5_accuracy: {
      description:
        'target_rank < min(5, C). A row that holds a NaN has no prediction: `accuracy` and `top5_accuracy` count it as a miss',
      meaning: 'Share of rows whose label is among the first min(5, C) classes in the order of descending logits.',
      example: 1,
      of: ({ top5 }, weight) => top5.value / weight,
    },
  },
  ofShard: ['rank', 'largestLogit'],
  compute({ ranked, forward: { nanCount }, isShard }) {
    const { predictions, targetRank } = ranked();
    // The kernel skips NaN. A shard does not know the NaN of other shards, so the merge drops the predictions.
    if (!isShard) {
      nanCount.forEach((count, row) => {
        if (count > 0) predictions[row] = targetRank[row] = NO_PREDICTION;
      });
    }
    return { predictions, targetRank };
  },
  sums: () => new RankSums(),
  merge({ parts, labels }: Shards<RankColumns & { top: Float64Array; nanCount: Int32Array }>) {
    const predictions = new Int32Array(labels.length);
    const targetRank = new Int32Array(labels.length).fill(NO_PREDICTION);
    labels.forEach((label, row) => {
      if (parts.some(({ columns }) => columns.nanCount[row]! > 0)) {
        predictions[row] = NO_PREDICTION;
        return;
      }
      const { start, columns } = largestOf(parts, ({ top }) => top[row]!);
      predictions[row] = start + columns.predictions[row]!;
      if (label < 0) return;
      targetRank[row] = label === predictions[row] && columns.targetRank[row] === 0 ? 0 : NOT_FIRST;
    });
    return { predictions, targetRank };
  },
});
