import type { Options } from './options.ts';

/** What kernels compute of each row beyond nll: what no option asks for costs nothing. */
export interface RowFeatures {
  lse: boolean;
  /** Σ_c w_c·x_c, for smoothing. */
  weightedSum: boolean;
  entropy: boolean;
  /** Predictions and ranks of the target. */
  rank: boolean;
  /** Whether rows that are left out have features too: outputs have an entry for every row. */
  everyRow: boolean;
}

export function featuresOf({ outputs, metrics, label_smoothing, lse_square_scale }: Options): RowFeatures {
  const everyRow = outputs.includes('lse') || outputs.includes('entropy');
  return {
    lse: everyRow || lse_square_scale > 0 || label_smoothing > 0,
    weightedSum: label_smoothing > 0,
    entropy: outputs.includes('entropy') || metrics.includes('mean_entropy'),
    rank:
      outputs.includes('predictions') ||
      outputs.includes('target_rank') ||
      metrics.includes('accuracy') ||
      metrics.includes('top5_accuracy'),
    everyRow,
  };
}

/** What the kernels said of rows, an entry per row. Columns that were not asked for are absent. */
export interface RowColumns {
  /** −log softmax at the target; 0 without one. */
  nll: Float64Array<ArrayBuffer>;
  lse?: Float64Array<ArrayBuffer>;
  weightedSum?: Float64Array<ArrayBuffer>;
  entropy?: Float64Array<ArrayBuffer>;
  predictions?: Int32Array<ArrayBuffer>;
  targetRank?: Int32Array<ArrayBuffer>;
}

/** Room for the columns of a whole batch. */
export function makeColumns(rows: number, features: RowFeatures): RowColumns {
  return {
    nll: new Float64Array(rows),
    ...(features.lse && { lse: new Float64Array(rows) }),
    ...(features.weightedSum && { weightedSum: new Float64Array(rows) }),
    ...(features.entropy && { entropy: new Float64Array(rows) }),
    ...(features.rank && { predictions: new Int32Array(rows), targetRank: new Int32Array(rows) }),
  };
}

/** Puts the columns of a block where its rows stand in the batch. */
export function setColumns(all: RowColumns, block: RowColumns, firstRow: number): void {
  for (const name of Object.keys(all) as (keyof RowColumns)[]) all[name]!.set(block[name]!, firstRow);
}
