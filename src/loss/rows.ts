import type { Options } from './options.ts';
import type { Targets } from './targets.ts';

/** Results of each row in addition to nll. Results that no option requests cost nothing. */
export interface RowFeatures {
  lse: boolean;
  /** Σ_c w_c·(lse − x_c) / classUnit, for smoothing. */
  uniformNll: boolean;
  /** Σ_c w_c·p_c·(lse − x_c), for class probabilities with class weights. */
  weightedNll: boolean;
  entropy: boolean;
  /** Predictions and ranks of the target. */
  rank: boolean;
  /** Probability of the prediction. */
  confidence: boolean;
  /** Largest logit, for merging the predictions of shards. */
  top: boolean;
  /** √Σ_c g_c² of the gradient. */
  gradientNorms: boolean;
  /** Columns for merging shards of the vocabulary: the two parts of lse, target logits, counts of non-finite values. */
  shard: boolean;
  /** Columns for merging class probabilities: their sums, and the most probable class. */
  shardProbabilities: boolean;
  /** Moments of the softmax, for the norm of the gradient from shards. */
  softmaxMoments: boolean;
  /** Survey of the values of the rows, instead of their loss. */
  survey: boolean;
  /** True when rows that are left out need these results too: outputs have an entry for every row. */
  everyRow: boolean;
}

/** Features of rows that need only their loss. */
export const PLAIN_FEATURES: Readonly<RowFeatures> = {
  lse: false,
  uniformNll: false,
  weightedNll: false,
  entropy: false,
  rank: false,
  confidence: false,
  top: false,
  gradientNorms: false,
  shard: false,
  shardProbabilities: false,
  softmaxMoments: false,
  survey: false,
  everyRow: false,
};

export function featuresOf(options: Options, targets: Targets): RowFeatures {
  const { outputs, metrics, label_smoothing, lse_square_scale } = options;
  const everyRow = outputs.includes('lse') || outputs.includes('entropy');
  const calibration = metrics.includes('ece');
  return {
    ...PLAIN_FEATURES,
    lse: everyRow || lse_square_scale > 0,
    uniformNll: label_smoothing > 0,
    weightedNll: targets.probabilities !== undefined && targets.classWeights !== undefined,
    entropy: outputs.includes('entropy') || metrics.includes('mean_entropy'),
    rank:
      outputs.includes('predictions') ||
      outputs.includes('target_rank') ||
      metrics.includes('accuracy') ||
      metrics.includes('top5_accuracy') ||
      calibration,
    confidence: calibration,
    gradientNorms: options.check_for_nan_in_loss_and_grad,
    everyRow,
  };
}

/**
 * Features of a shard of the vocabulary, which is merged with others before it is reduced.
 * @param options options that requireShardable accepts
 */
export function shardFeaturesOf(options: Options, targets: Targets): RowFeatures {
  const { gradientNorms, rank, ...features } = featuresOf(options, targets);
  return {
    ...features,
    // lse is computed from the two parts that `shard` requests.
    lse: false,
    rank,
    top: rank,
    gradientNorms: false,
    softmaxMoments: gradientNorms,
    shard: true,
    shardProbabilities: targets.probabilities !== undefined,
  };
}

/** Prediction of a row that contains a NaN, and the rank of its target. */
export const NO_PREDICTION = -1;

type F64 = Float64Array<ArrayBuffer>;
type I32 = Int32Array<ArrayBuffer>;

/** Results of rows, an entry per row. Columns that were not requested are absent. */
export interface RowColumns {
  /** −log softmax at the target, 0 without one; with class probabilities Σ_c p_c·(lse − x_c). */
  nll: F64;
  lse?: F64;
  /** Σ_c w_c·(lse − x_c) / classUnit of the classes of the block. */
  uniformNll?: F64;
  weightedNll?: F64;
  entropy?: F64;
  predictions?: I32;
  targetRank?: I32;
  confidence?: F64;
  top?: F64;
  /** The greatest finite logit, before any transform. */
  maximum?: F64;
  gradientNorms?: F64;
  targetLogit?: F64;
  /** The two parts of lse, see RowBlock. */
  reference?: F64;
  logSum?: F64;
  nanCount?: I32;
  posInfCount?: I32;
  negInfCount?: I32;
  probabilitySum?: F64;
  /** Σ_c w_c·p_c */
  probabilityMass?: F64;
  /** Bits of Odd. */
  odd?: I32;
  /** The most probable class, and its probability. */
  label?: I32;
  labelProbability?: F64;
  /** See SoftmaxMoments. */
  softmaxSpread?: F64;
  softmaxAlong?: F64;
  softmaxSlope?: F64;
  weightNorm?: F64;
}

/** Allocates the columns of a whole batch. */
export function makeColumns(rows: number, features: RowFeatures): RowColumns {
  const f64 = (): F64 => new Float64Array(rows);
  const i32 = (): I32 => new Int32Array(rows);
  return {
    nll: f64(),
    ...(features.lse && { lse: f64() }),
    ...(features.uniformNll && { uniformNll: f64() }),
    ...(features.weightedNll && { weightedNll: f64() }),
    ...(features.entropy && { entropy: f64() }),
    ...(features.rank && { predictions: i32(), targetRank: i32() }),
    ...(features.confidence && { confidence: f64() }),
    ...(features.top && { top: f64() }),
    ...(features.gradientNorms && { gradientNorms: f64() }),
    ...(features.shard && {
      targetLogit: f64(),
      reference: f64(),
      logSum: f64(),
      maximum: f64(),
      nanCount: i32(),
      posInfCount: i32(),
      negInfCount: i32(),
    }),
    ...(features.shardProbabilities && { probabilitySum: f64(), probabilityMass: f64(), odd: i32() }),
    ...(features.shardProbabilities && { label: i32(), labelProbability: f64() }),
    ...(features.softmaxMoments && { softmaxSpread: f64(), softmaxAlong: f64() }),
    ...(features.softmaxMoments && { softmaxSlope: f64(), weightNorm: f64() }),
  };
}

/** Copies the columns of a block to the places of its rows in the batch. */
export function setColumns(all: RowColumns, block: RowColumns, firstRow: number): void {
  for (const name of Object.keys(all) as (keyof RowColumns)[]) all[name]!.set(block[name]!, firstRow);
}
