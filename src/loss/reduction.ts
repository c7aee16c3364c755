import { LEFT_OUT, NO_TARGET } from '../../kernels/loader.ts';
import { divide, isMean, labelWeight } from './denominators.ts';
import type { Denominators } from './denominators.ts';
import { CalibrationBins } from './calibration.ts';
import type { Options } from './options.ts';
import { localGroups } from './parallel.ts';
import type { RowColumns } from './rows.ts';
import { CompensatedSum } from './summation.ts';
import type { Targets } from './targets.ts';

/** The sums of a batch. All in float64, over counted rows in row order. */
export interface Reduction {
  /** N = Σ m·ℓ */
  numerator: number;
  /** D = Σ m·w_y, raw: without what `semantics` adds to it */
  denominator: number;
  /** Z = λ·Σ m·lse² */
  zLoss: number;
  /** Absent with `reduction: "none"` and with `calculate_per_token_loss`. */
  loss: number | undefined;
  /** Σ m·nll / Σ m: NaN when nothing is counted */
  meanNll: number;
  /** m·(ℓ + λ·lse²) per row, 0 where not counted; only when asked for. */
  perTokenLoss: Float64Array<ArrayBuffer> | undefined;
  metrics: Metrics;
  /** Euclidean norm of the gradient; only when asked for. */
  gradientNorm: number | undefined;
  /** Σ m·ℓ / (Σ m + 1e-8) of each data-parallel group; only when asked for. */
  localLosses: number[] | undefined;
}

/** Means over counted rows, weighted by the mask; NaN when nothing is counted. */
export interface Metrics {
  perplexity: number;
  bits_per_token: number;
  accuracy?: number;
  top5_accuracy?: number;
  mean_entropy?: number;
  ece?: number;
}

/**
 * Reduces row results. The order is that of the rows, and the summation compensated, so the bits do not depend on how
 * the batch was cut into blocks.
 * @param classes C
 * @param smoothing ε, as smoothingOf gives it
 */
export function reduceRows(
  columns: RowColumns,
  targets: Targets,
  options: Options,
  { classes: C, smoothing: epsilon, denominators }: { classes: number; smoothing: number; denominators: Denominators },
): Reduction {
  const { nll, lse, weightedSum, weightedNll, entropy, targetRank, maximum, gradientSquares } = columns;
  const { classes, weights, classWeights } = targets;
  const { outputs, lse_square_scale: lambda, metrics: asked } = options;
  const totalWeight = classWeights === undefined ? C : sumOf(classWeights);

  const N = new CompensatedSum();
  const Z = new CompensatedSum();
  const sums = {
    nll: new CompensatedSum(),
    hits: new CompensatedSum(),
    top5: new CompensatedSum(),
    entropy: new CompensatedSum(),
    squares: new CompensatedSum(),
  };
  const bins = maximum === undefined ? undefined : new CalibrationBins();
  const groups = localGroups(classes.length, options);
  const wantsRows = options.reduction === 'none' || outputs.includes('per_token_loss');
  const perTokenLoss = wantsRows ? new Float64Array(nll.length) : undefined;
  for (let row = 0; row < nll.length; row++) {
    const y = classes[row]!;
    if (y === LEFT_OUT) continue;
    const m = weights === undefined ? 1 : weights[row]!;
    let loss = 0;
    if (y !== NO_TARGET) {
      if (epsilon !== 1) {
        loss = (1 - epsilon) * (weightedNll === undefined ? labelWeight(targets, y) * nll[row]! : weightedNll[row]!);
      }
      if (epsilon !== 0) loss += (epsilon / C) * (totalWeight * lse![row]! - weightedSum![row]!);
    }
    // An invalid label has no loss at all, whatever its logits hold: this one neither.
    const z = lambda === 0 || y === NO_TARGET ? 0 : lambda * lse![row]! ** 2;
    N.add(m * loss);
    Z.add(m * z);
    groups?.add(row, m * loss, m);
    sums.nll.add(m * nll[row]!);
    if (targetRank !== undefined) {
      const rank = targetRank[row]!;
      if (rank === 0) sums.hits.add(m);
      if (rank >= 0 && rank < 5) sums.top5.add(m);
      bins?.add(m, Math.exp(maximum![row]! - lse![row]!), rank === 0);
    }
    if (entropy !== undefined) sums.entropy.add(m * entropy[row]!);
    if (gradientSquares !== undefined) sums.squares.add(gradientSquares[row]!);
    if (perTokenLoss !== undefined) perTokenLoss[row] = m * (loss + z);
  }
  const numerator = N.value;
  const zLoss = Z.value;
  const m = denominators.z;
  const meanNll = sums.nll.value / m;
  return {
    numerator,
    denominator: denominators.loss,
    zLoss,
    loss: formLoss(numerator, zLoss, denominators, options),
    meanNll,
    perTokenLoss,
    metrics: {
      perplexity: Math.exp(meanNll),
      bits_per_token: meanNll / Math.LN2,
      ...(asked.includes('accuracy') && { accuracy: sums.hits.value / m }),
      ...(asked.includes('top5_accuracy') && { top5_accuracy: sums.top5.value / m }),
      ...(asked.includes('mean_entropy') && { mean_entropy: sums.entropy.value / m }),
      ...(bins !== undefined && { ece: bins.error / m }),
    },
    gradientNorm: gradientSquares === undefined ? undefined : Math.sqrt(sums.squares.value),
    localLosses: groups?.losses,
  };
}

function sumOf(values: Iterable<number>): number {
  const sum = new CompensatedSum();
  for (const value of values) sum.add(value);
  return sum.value;
}

function formLoss(N: number, Z: number, denominators: Denominators, options: Options): number | undefined {
  if (options.calculate_per_token_loss || options.reduction === 'none') return undefined;
  if (!isMean(options)) return N + Z;
  const mean = divide(N, denominators.loss, options.semantics);
  // Without a z-loss its 0 / 0 must not show.
  return options.lse_square_scale === 0 ? mean : mean + divide(Z, denominators.z, options.semantics);
}
