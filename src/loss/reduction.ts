import { LEFT_OUT, NO_TARGET } from '../../kernels/loader.ts';
import type { Options } from './options.ts';
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
}

/** Means over counted rows, weighted by the mask; NaN when nothing is counted. */
export interface Metrics {
  perplexity: number;
  bits_per_token: number;
  accuracy?: number;
  top5_accuracy?: number;
  mean_entropy?: number;
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
  { classes, smoothing: epsilon }: { classes: number; smoothing: number },
): Reduction {
  const { nll, lse, weightedSum, entropy, targetRank } = columns;
  const { weights, classWeights } = targets;
  const { outputs, lse_square_scale: lambda } = options;
  const totalWeight = classWeights === undefined ? classes : sumOf(classWeights);

  const sums = { N: new CompensatedSum(), D: new CompensatedSum(), Z: new CompensatedSum(), m: new CompensatedSum() };
  const means = {
    nll: new CompensatedSum(),
    hits: new CompensatedSum(),
    top5: new CompensatedSum(),
    entropy: new CompensatedSum(),
  };
  const wantsRows = options.reduction === 'none' || outputs.includes('per_token_loss');
  const perTokenLoss = wantsRows ? new Float64Array(nll.length) : undefined;
  for (let row = 0; row < nll.length; row++) {
    const y = targets.classes[row]!;
    if (y === LEFT_OUT) continue;
    const m = weights === undefined ? 1 : weights[row]!;
    const w = classWeights === undefined || y === NO_TARGET ? 1 : classWeights[y]!;
    let loss = 0;
    if (y !== NO_TARGET) {
      if (epsilon !== 1) loss = (1 - epsilon) * w * nll[row]!;
      if (epsilon !== 0) loss += (epsilon / classes) * (totalWeight * lse![row]! - weightedSum![row]!);
    }
    const z = lambda === 0 ? 0 : lambda * lse![row]! ** 2;
    sums.N.add(m * loss);
    sums.D.add(m * w);
    sums.Z.add(m * z);
    sums.m.add(m);
    means.nll.add(m * nll[row]!);
    if (targetRank !== undefined) {
      const rank = targetRank[row]!;
      if (rank === 0) means.hits.add(m);
      if (rank >= 0 && rank < 5) means.top5.add(m);
    }
    if (entropy !== undefined) means.entropy.add(m * entropy[row]!);
    if (perTokenLoss !== undefined) perTokenLoss[row] = m * (loss + z);
  }
  const [N, D, Z, m] = [sums.N.value, sums.D.value, sums.Z.value, sums.m.value];
  const meanNll = means.nll.value / m;
  const asked = options.metrics;
  return {
    numerator: N,
    denominator: D,
    zLoss: Z,
    loss: formLoss({ N, D, Z, Dz: m }, options),
    meanNll,
    perTokenLoss,
    metrics: {
      perplexity: Math.exp(meanNll),
      bits_per_token: meanNll / Math.LN2,
      ...(asked.includes('accuracy') && { accuracy: means.hits.value / m }),
      ...(asked.includes('top5_accuracy') && { top5_accuracy: means.top5.value / m }),
      ...(asked.includes('mean_entropy') && { mean_entropy: means.entropy.value / m }),
    },
  };
}

function sumOf(values: Iterable<number>): number {
  const sum = new CompensatedSum();
  for (const value of values) sum.add(value);
  return sum.value;
}

function formLoss(
  { N, D, Z, Dz }: { N: number; D: number; Z: number; Dz: number },
  options: Options,
): number | undefined {
  if (options.calculate_per_token_loss || options.reduction === 'none') return undefined;
  if (options.reduction === 'sum') return N + Z;
  const mean = divide(N, D, options.semantics);
  // Without a z-loss its 0 / 0 must not show.
  return options.lse_square_scale === 0 ? mean : mean + divide(Z, Dz, options.semantics);
}

/** A mean by its profile. With nothing to divide by it is 0, NaN for torch, whatever the sum. */
function divide(sum: number, denominator: number, semantics: Options['semantics']): number {
  if (denominator === 0) return semantics === 'torch' ? Number.NaN : 0;
  switch (semantics) {
    case 'mindformers':
      return sum / (denominator + 1e-8);
    case 'torch':
      return sum / denominator;
    case 'megatron':
      return sum / Math.max(denominator, 1);
  }
}
