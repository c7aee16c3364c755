import { LEFT_OUT, NO_TARGET } from '../../kernels/abi.ts';
import { classUnit } from '../../kernels/class-unit.ts';
import { divide, isMean, labelWeight } from './denominators.ts';
import type { Denominators } from './denominators.ts';
import { inSteps } from '../steps.ts';
import type { Steps } from '../steps.ts';
import type { Options } from './options.ts';
import { localGroups } from './parallel.ts';
import { rowsWithoutPrediction } from '../statistics/rank.ts';
import { sequencesIn } from '../statistics/sequence-list.ts';
import type { SequenceResult } from '../statistics/sequence-list.ts';
import { METRICS, STATISTICS } from '../statistics/list.ts';
import type { MetricName, RowColumns, StatisticName } from '../statistics/list.ts';
import type { Sums } from '../statistics/statistic.ts';
import { CompensatedSum, euclideanNorm, sumOf } from '../summation.ts';
import { sequenceFactsOf } from './targets.ts';
import type { Targets } from './targets.ts';
import type { TextSizes } from './text-size.ts';

/** Rows of a step; the exact moments of a row take up to 4 µs. */
const ROWS_PER_STEP = 1024;

/** Sums over counted rows in row order, in float64. The sums of batches can be added. */
export interface RowSums {
  /** N = Σ m·ℓ */
  numerator: number;
  /** The two parts of N: (1−ε)·Σ m·w_y·nll, and the part of label smoothing. */
  parts: { target: number; smoothing: number };
  /** D and D_z, without the terms that `semantics` adds */
  denominators: Denominators;
  /** Z = λ·Σ m·lse² */
  zLoss: number;
  /** Σ m·nll */
  nll: number;
  /** Sums of the requested statistics that have sums. */
  ofStatistics: ReadonlyMap<StatisticName, Sums>;
}

/** Means computed from sums. */
export interface Means {
  /** Absent with `reduction: "none"` and with `calculate_per_token_loss`. */
  loss: number | undefined;
  /** Σ m·nll / Σ m: NaN when nothing is counted */
  meanNll: number;
  metrics: Metrics;
}

/** Facts of a batch that its reduction needs in addition to its rows. */
export interface ReductionFacts {
  /** C */
  classes: number;
  /** ε of the row formula, from smoothingOf. */
  smoothing: number;
  denominators: Denominators;
  /** Requested statistics. */
  statistics: readonly StatisticName[];
  /** Sizes of the texts, if the request gives them. */
  textSizes?: TextSizes;
}

/** Result of reducing a batch. */
export interface Reduction extends Means {
  sums: RowSums;
  /** Results of each sequence; only when requested. */
  sequences: readonly SequenceResult[] | undefined;
  /** Counted rows without a prediction; undefined when no prediction was requested. */
  withoutPrediction: number | undefined;
  /** Counted rows whose m·(ℓ + λ·lse²) is not finite although all its inputs are. */
  overflowingRows: number;
  /** True when a sum is not finite although all its terms are. */
  sumOverflows: boolean;
  /** m·(ℓ + λ·lse²) per row, 0 for rows that are not counted; only when requested. */
  perTokenLoss: Float64Array<ArrayBuffer> | undefined;
  /** Euclidean norm of the gradient; only when requested. */
  gradientNorm: number | undefined;
  /** Σ m·ℓ / (Σ m + 1e-8) of each data-parallel group; only when requested. */
  localLosses: number[] | undefined;
}

/**
 * Means over counted rows, weighted by the mask; `ece` covers counted rows with a prediction. NaN without such rows.
 */
export type Metrics = { perplexity: number; bits_per_token: number } & Partial<Record<MetricName, number>>;

/**
 * Reduces row results. The sums are in row order and compensated, so the bits do not depend on the division into
 * blocks.
 */
export function* reduceRows(
  columns: RowColumns,
  targets: Targets,
  options: Options,
  { classes: C, smoothing: epsilon, denominators, statistics, textSizes }: ReductionFacts,
): Steps<Reduction> {
  const { nll, lse, uniformNll, weightedNll, gradientNorms } = columns;
  const { classes, weights } = targets;
  const { outputs, lse_square_scale: lambda } = options;

  const N = new CompensatedSum();
  const Z = new CompensatedSum();
  const parts = { target: new CompensatedSum(), smoothing: new CompensatedSum() };
  const ofNll = new CompensatedSum();
  const groups = localGroups(classes.length, options);
  const wantsRows = options.reduction === 'none' || outputs.includes('per_token_loss');
  const perTokenLoss = wantsRows ? new Float64Array(nll.length) : undefined;
  const smoothingShare = (epsilon / C) * classUnit(C);
  let overflowingRows = 0;
  let termsAreFinite = true;
  yield* inSteps(nll.length, (from, to) => {
    for (let row = from; row < to; row++) {
      const y = classes[row]!;
      if (y === LEFT_OUT) continue;
      const m = weights === undefined ? 1 : weights[row]!;
      let ofTarget = 0;
      let ofSmoothing = 0;
      if (y !== NO_TARGET) {
        if (epsilon !== 1) {
          ofTarget = (1 - epsilon) * (weightedNll?.[row] ?? weigh(labelWeight(targets, y), nll[row]!));
        }
        if (epsilon !== 0) ofSmoothing = smoothingShare * uniformNll![row]!;
      }
      const loss = ofTarget + ofSmoothing;
      // A row with an invalid label has no loss and no z-loss, whatever its logits are.
      const z = lambda === 0 || y === NO_TARGET ? 0 : lambda * lse![row]! ** 2;
      // lse² and λ·lse² may leave the range of float64 although m·λ·lse² does not.
      const weightedZ = z === Infinity ? m * lambda * lse![row]! * lse![row]! : m * z;
      const weighted = z === Infinity ? m * loss + weightedZ : m * (loss + z);
      if (!Number.isFinite(weighted)) {
        termsAreFinite = false;
        const ingredients = [
          nll[row],
          weightedNll?.[row] ?? 0,
          epsilon === 0 ? 0 : uniformNll![row],
          lambda === 0 ? 0 : lse![row],
        ];
        if (ingredients.every(Number.isFinite)) overflowingRows++;
      }
      N.add(m * loss);
      if (epsilon !== 0) {
        parts.target.add(m * ofTarget);
        parts.smoothing.add(m * ofSmoothing);
      }
      Z.add(weightedZ);
      groups?.add(row, m * loss, m);
      ofNll.add(m * nll[row]!);
      if (perTokenLoss !== undefined) perTokenLoss[row] = weighted;
    }
  });
  const sums: RowSums = {
    numerator: N.value,
    parts: { target: epsilon === 0 ? N.value : parts.target.value, smoothing: parts.smoothing.value },
    denominators,
    zLoss: Z.value,
    nll: ofNll.value,
    ofStatistics: yield* sumStatistics(statistics, columns, targets, textSizes),
  };
  return {
    sums,
    ...meansOf(sums, options),
    sequences: sequencesIn(sums.ofStatistics.get('sequenceList')),
    withoutPrediction: rowsWithoutPrediction(sums.ofStatistics.get('rank')),
    overflowingRows,
    sumOverflows: termsAreFinite && !(Number.isFinite(sums.numerator) && Number.isFinite(sums.zLoss)),
    perTokenLoss,
    gradientNorm: gradientNorms && (yield* euclideanNorm(gradientNorms)),
    localLosses: groups?.losses,
  };
}

/** Sums of the requested statistics over counted rows. */
function* sumStatistics(
  statistics: readonly StatisticName[],
  columns: RowColumns,
  targets: Targets,
  sizes: TextSizes | undefined,
): Steps<ReadonlyMap<StatisticName, Sums>> {
  const { classes, weights } = targets;
  const facts = sequenceFactsOf(targets, sizes);
  const found = new Map<StatisticName, Sums>();
  for (const name of statistics) {
    const sums = STATISTICS[name].sums?.();
    if (sums === undefined) continue;
    found.set(name, sums);
    const add = sums.adder(columns, facts);
    const addRows = (from: number, to: number): void => {
      for (let row = from; row < to; row++) if (classes[row] !== LEFT_OUT) add(row, weights?.[row] ?? 1);
    };
    yield* inSteps(classes.length, addRows, ROWS_PER_STEP);
  }
  return found;
}

/** w·nll, but 0 for w = 0, even if the label has probability 0 and nll is infinite. */
function weigh(w: number, nll: number): number {
  return w === 0 && nll === Infinity ? 0 : w * nll;
}

/** Means from the sums of one or more batches, under their options. */
export function meansOf(sums: RowSums, options: Options): Means {
  const m = sums.denominators.z;
  const meanNll = sums.nll / m;
  const metrics: Metrics = { perplexity: Math.exp(meanNll), bits_per_token: meanNll / Math.LN2 };
  for (const name of options.metrics) {
    const metric = METRICS[name];
    metrics[name] = metric.of(sums.ofStatistics.get(metric.statistic)!, m);
  }
  return {
    loss: formLoss(sums, options),
    meanNll,
    metrics,
  };
}

/**
 * True when the loss and the sums are finite. Runs sum the raw pair: a mean of 0, because D is 0, must not hide a
 * non-finite numerator.
 * @param loss undefined when there is none
 */
export function isFiniteLoss(loss: number | undefined, { numerator, zLoss }: RowSums): boolean {
  return [loss ?? 0, numerator, zLoss].every(Number.isFinite);
}

/** Sums of several batches, added in their order and with compensation. */
export function addSums(batches: readonly RowSums[]): RowSums {
  const total = (valueOf: (batch: RowSums) => number): number => sumOf(batches.map(valueOf));
  const ofStatistics = new Map<StatisticName, Sums>();
  for (const batch of batches) {
    for (const [name, sums] of batch.ofStatistics) {
      const all = ofStatistics.get(name) ?? STATISTICS[name].sums!();
      all.append(sums.save());
      ofStatistics.set(name, all);
    }
  }
  return {
    numerator: total((batch) => batch.numerator),
    parts: { target: total((batch) => batch.parts.target), smoothing: total((batch) => batch.parts.smoothing) },
    denominators: { loss: total((batch) => batch.denominators.loss), z: total((batch) => batch.denominators.z) },
    zLoss: total((batch) => batch.zLoss),
    nll: total((batch) => batch.nll),
    ofStatistics,
  };
}

/** Stored form of the sums of a batch. */
export interface SavedSums extends Omit<RowSums, 'ofStatistics'> {
  ofStatistics: Partial<Record<StatisticName, object>>;
}

export function saveSums({ ofStatistics, ...numbers }: RowSums): SavedSums {
  return { ...numbers, ofStatistics: Object.fromEntries([...ofStatistics].map(([name, sums]) => [name, sums.save()])) };
}

/** Restores stored sums, bit by bit. */
export function restoreSums({ ofStatistics, ...numbers }: SavedSums): RowSums {
  const restored = (Object.entries(ofStatistics) as [StatisticName, object][]).map(([name, saved]) => {
    const sums = STATISTICS[name].sums!();
    sums.append(saved);
    return [name, sums] as const;
  });
  return { ...numbers, ofStatistics: new Map(restored) };
}

function formLoss(sums: RowSums, options: Options): number | undefined {
  const { numerator: N, zLoss: Z, denominators } = sums;
  if (options.calculate_per_token_loss || options.reduction === 'none') return undefined;
  if (!isMean(options)) return N + Z;
  const mean = meanCrossEntropy(sums, options);
  // Without a z-loss, its 0 / 0 must not make the result NaN.
  return options.lse_square_scale === 0 ? mean : mean + divide(Z, denominators.z, options);
}

/**
 * N / D by the rules of the profile. PyTorch divides the parts of N separately. This matters when D is 0: ∞ − ∞ and 0 / 0
 * are NaN.
 */
function meanCrossEntropy({ numerator, parts, denominators: { loss: D } }: RowSums, options: Options): number {
  if (D !== 0 || options.label_smoothing === 0) return divide(numerator, D, options);
  return divide(parts.target, D, options) + divide(parts.smoothing, D, options);
}
