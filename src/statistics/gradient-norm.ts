import { classUnit } from '../../kernels/class-unit.ts';
import type { GradientCoefficients } from '../../kernels/bindings.ts';
import { runAtOnce } from '../steps.ts';
import { euclideanNorm, powerOfTwo, sumOf } from '../summation.ts';
import { FLOAT64, statistic } from './statistic.ts';
import type { Shard, Shards } from './statistic.ts';

/** √Σ_c g_c² of the gradient. */
export const GRADIENT_NORM = statistic({
  columns: { gradientNorms: FLOAT64 },
  terms: ['gradient_norm'],
  ofShard: ['softmaxMoments'],
  compute: ({ kernel }) => ({ gradientNorms: kernel.gradientNorms() }),
});

type Moments = Record<'softmaxSpread' | 'softmaxAlong' | 'softmaxSlope' | 'weightNorm', Float64Array>;
type ShardColumns = Moments & { nll: Float64Array };

/** Rows of the whole vocabulary. */
interface WholeRows {
  readonly nll: Float64Array;
  readonly lse: Float64Array;
  readonly classWeights: Float64Array | undefined;
  /** Number of classes. */
  readonly classes: number;
  /** Scale of the logits. */
  readonly scale: number;
}

/**
 * Norm √Σ_c g_c² of each row's gradient, for class indices without softcap, times the scale of the logits. With a = t +
 * b·W + z·lse the classes c ≠ y of a shard have g_c = a·s_c − b·w_c = A·q_c − b·w_c. Here q is their softmax without
 * the other classes, and A = a times their part of the whole sum. From their moments Σ g_c² is A²·spread² + 2·A·v·along
 * + v²·Σ w², with v = A·slope − b.
 */
export function mergeGradientNorms(
  { parts, sharded, labels }: Shards<ShardColumns>,
  { nll: nlls, lse: lses, classWeights, classes, scale }: WholeRows,
  { t, b, z }: GradientCoefficients,
): Float64Array<ArrayBuffer> {
  const classesAsUnit = classUnit(classes);
  const W = classWeights === undefined ? classes / classesAsUnit : sumOf(classWeights, classesAsUnit);
  return Float64Array.from(labels, (y, row) => {
    if (y < 0) return 0;
    // A non-finite coefficient (D = 0) means that the gradient contains a NaN.
    if (!Number.isFinite(t[row]!)) return Number.NaN;
    const [nll, lse] = [nlls[row]!, lses[row]!];
    // Without smoothing (b = 0), large weights must not produce 0·∞.
    const weigh = (weight: number): number => (b[row] === 0 ? 0 : b[row]! * weight);
    const others = weigh(classesAsUnit) * W + z[row]! * lse;
    const weightNorm = parts.reduce((most, { columns }) => Math.max(most, columns.weightNorm[row]!), 0);
    const size = Math.max(Math.abs(t[row]!), Math.abs(others), Math.abs(weigh(weightNorm)));
    if (size === 0 || !Number.isFinite(size)) return size;
    // Values are squared relative to the coefficients, which prevents overflow.
    const unit = powerOfTwo(size);
    const a = t[row]! / unit + others / unit;
    const ofShards = parts.map((part, k) => {
      const ofRow = Math.exp(-sharded.growth(row, k));
      // A shard that is −Inf throughout has no softmax.
      const share = ofRow === 0 ? 0 : ofRow * shareOfOthers(part, y, row);
      return normOfShard(part.columns, row, { A: share === 0 ? 0 : a * share, b: b[row]! / unit });
    });
    const w = classWeights?.[y] ?? 1;
    const ofTarget = (t[row]! / unit) * Math.expm1(-nll) + (others / unit) * Math.exp(-nll) - weigh(w) / unit;
    return runAtOnce(euclideanNorm([...ofShards, ofTarget])) * unit * scale;
  });
}

/** √Σ (A·q_c − b·w_c)² over the classes of a shard other than the target. */
function normOfShard(
  { softmaxSpread, softmaxAlong, softmaxSlope, weightNorm }: Moments,
  row: number,
  { A, b }: { A: number; b: number },
): number {
  const norm = weightNorm[row]!;
  const v = A === 0 ? -b : A * softmaxSlope[row]! - b;
  if (A === 0 || v === 0) return A === 0 ? Math.abs(v * norm) : Math.abs(A) * softmaxSpread[row]!;
  const size = Math.abs(A) + Math.abs(v * norm);
  const square =
    ((A / size) * softmaxSpread[row]!) ** 2 +
    2 * (A / size) * ((v / size) * softmaxAlong[row]!) +
    ((v / size) * norm) ** 2;
  return size * Math.sqrt(Math.max(0, square));
}

/** Sum of a shard's softmax over its classes other than the target. */
function shareOfOthers({ start, classes, columns }: Shard<ShardColumns>, y: number, row: number): number {
  const hasTarget = y >= start && y < start + classes;
  return hasTarget ? -Math.expm1(-columns.nll[row]!) : 1;
}
