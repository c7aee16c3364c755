import { LEFT_OUT, Odd, SUM_TOLERANCE, classUnit } from '../../kernels/loader.ts';
import type { GradientCoefficients } from '../../kernels/loader.ts';
import { runAtOnce } from '../steps.ts';
import type { Place } from '../diagnostics/causes.ts';
import { addFloat16, findCauses } from '../diagnostics/findings.ts';
import type { Findings } from '../diagnostics/findings.ts';
import { NO_PREDICTION } from './rows.ts';
import type { RowColumns } from './rows.ts';
import { ShardedRows, classesWithin, mergeShards } from './shards.ts';
import type { ShardRows } from './shards.ts';
import { euclideanNorm, powerOfTwo, sumOf } from './summation.ts';
import type { Targets } from './targets.ts';
import type { Vocabulary } from './vocabulary.ts';
import { worstRows } from '../diagnostics/worst-rows.ts';

/** Results of the rows of a batch over a shard of the vocabulary. */
export interface VocabularyPartial {
  readonly vocabulary: Vocabulary;
  /** Columns of the shard. */
  readonly classes: number;
  /** Targets with classes of the whole vocabulary and class weights of the shard. */
  readonly targets: Targets;
  readonly columns: RowColumns;
  /** First places, with columns of the whole vocabulary; counts within the shard. */
  readonly findings: Pick<Findings, 'causes' | 'locations' | 'float16'>;
}

type Partials = readonly VocabularyPartial[];

/** Results equal to those of one evaluation of the whole rows. */
export interface MergedPartials {
  targets: Targets;
  columns: RowColumns;
  findings: Findings;
  sharded: ShardedRows;
}

/**
 * Merges the partials of all shards.
 * @param partials partials of the same rows, in the order of their columns, which together are the vocabulary
 * @param mostPlaces most places that an answer names
 */
export function mergePartials(partials: Partials, mostPlaces: number): MergedPartials {
  const { targets, columns } = partials[0]!;
  const sharded = new ShardedRows(partials.map((partial) => partial.columns as ShardRows));
  const rows = mergeShards(
    partials.map((partial) => partial.columns as ShardRows),
    partials.map((partial) => targetsWithin(partial.targets, partial.vocabulary, partial.classes)),
    sharded,
  );
  const soft = targets.probabilities !== undefined;
  const labels = soft ? mostProbable(partials) : targets.classes;
  const merge = (name: CrossEntropy, massOf: MassOf, shareOf?: ShareOf): Float64Array<ArrayBuffer> =>
    mergeCrossEntropy(partials, sharded, { name, massOf, ...(shareOf && { shareOf }) });
  const nll = soft ? merge('nll', ({ columns: { probabilitySum } }, row) => probabilitySum![row]!) : rows.nll;
  const masses = new Map(partials.map((partial) => [partial, relativeWeight(partial)]));
  const unit = classUnit(partials.reduce((sum, { classes }) => sum + classes, 0));
  const uniformNll =
    columns.uniformNll &&
    merge(
      'uniformNll',
      (partial) => masses.get(partial)!,
      ({ classes }) => classUnit(classes) / unit,
    );
  const probabilities = soft ? { odd: mergeOdd(partials), nll } : undefined;
  return {
    targets: { ...targets, classWeights: joinWeights(partials) },
    columns: {
      nll,
      lse: rows.lse,
      ...(uniformNll && { uniformNll }),
      ...(columns.weightedNll && {
        weightedNll: merge('weightedNll', ({ columns: { probabilityMass } }, row) => probabilityMass![row]!),
      }),
      ...(columns.top && mergeRanks(partials, labels)),
    },
    findings: {
      ...findCauses({ ...rows, probabilities, uniformNll }, labels, placesOf(partials, labels), mostPlaces),
      float16: partials.map((partial) => partial.findings.float16).reduce(addFloat16),
      worst: worstRows(nll, labels),
    },
    sharded,
  };
}

/** Σ_c w_c / classUnit over the classes of a shard. */
function relativeWeight({ targets: { classWeights }, classes }: VocabularyPartial): number {
  const unit = classUnit(classes);
  return classWeights === undefined ? classes / unit : sumOf(classWeights, unit);
}

/**
 * Class of each row within a shard; NO_TARGET for a class of another shard. With probabilities the classes stay as they
 * are.
 */
export function targetsWithin(
  { classes, probabilities }: Pick<Targets, 'classes' | 'probabilities'>,
  { start }: Vocabulary,
  columns: number,
): Int32Array<ArrayBuffer> {
  if (probabilities !== undefined) return classes;
  return classesWithin(classes, start, columns);
}

/** A column of cross-entropies Σ_c v_c·p_c·(lse − x_c). */
type CrossEntropy = 'nll' | 'weightedNll' | 'uniformNll';

/** Σ_c v_c·p_c of a row within a shard, in the unit of the shard's column. */
type MassOf = (partial: VocabularyPartial, row: number) => number;

/** The unit of a shard's column relative to the unit of the merged one: a power of two. */
type ShareOf = (partial: VocabularyPartial) => number;

/**
 * Σ_k [Σ_c v_c·p_c·(lse_k − x_c) + (lse − lse_k)·Σ_c v_c·p_c]. The column of a shard that is −Inf throughout has the whole
 * term, Σ_c v_c·p_c·∞: Σ_c v_c·p_c alone is 0 for values of both signs too.
 */
function mergeCrossEntropy(
  partials: Partials,
  sharded: ShardedRows,
  { name, massOf, shareOf = () => 1 }: { name: CrossEntropy; massOf: MassOf; shareOf?: ShareOf },
): Float64Array<ArrayBuffer> {
  return sharded.lse.map((lse, row) => {
    if (partials[0]!.targets.classes[row] === LEFT_OUT) return 0;
    if (!Number.isFinite(lse)) return Number.NaN;
    return partials.reduce((sum, partial, k) => {
      const share = shareOf(partial);
      const term = partial.columns[name]![row]! * share;
      if (partial.columns.reference![row] === -Infinity) return sum + term;
      const mass = massOf(partial, row);
      return mass === 0 ? sum + term : sum + term + mass * sharded.growth(row, k, 1 / share);
    }, 0);
  });
}

/** Most probable class of each row, the first of equals. */
function mostProbable(partials: Partials): Int32Array<ArrayBuffer> {
  return partials[0]!.targets.classes.map((fate, row) => {
    if (fate === LEFT_OUT) return LEFT_OUT;
    const { vocabulary, columns } = largest(partials, ({ labelProbability }) => labelProbability![row]!);
    return vocabulary.start + columns.label![row]!;
  });
}

/** Returns the first partial with the largest value in its column; NaN counts as no value. */
function largest(partials: Partials, valueOf: (columns: RowColumns) => number) {
  return partials.reduce((a, b) => {
    const [one, other] = [valueOf(a.columns), valueOf(b.columns)];
    return other > one || (Number.isNaN(one) && !Number.isNaN(other)) ? b : a;
  });
}

/** Stands for any rank except the first: shards cannot determine the exact rank, and no answer needs it. */
const NOT_FIRST = 2 ** 31 - 1;

function mergeRanks(partials: Partials, labels: Int32Array): Pick<RowColumns, 'predictions' | 'targetRank'> {
  const predictions = new Int32Array(labels.length);
  const targetRank = new Int32Array(labels.length).fill(NO_PREDICTION);
  labels.forEach((label, row) => {
    if (partials.some(({ columns: { nanCount } }) => nanCount![row]! > 0)) {
      predictions[row] = NO_PREDICTION;
      return;
    }
    const { vocabulary, columns } = largest(partials, ({ top }) => top![row]!);
    predictions[row] = vocabulary.start + columns.predictions![row]!;
    if (label < 0) return;
    targetRank[row] = label === predictions[row] && columns.targetRank![row] === 0 ? 0 : NOT_FIRST;
  });
  return { predictions, targetRank };
}

/** Bits of Odd of whole rows. */
function mergeOdd(partials: Partials): Int32Array<ArrayBuffer> {
  return partials[0]!.columns.odd!.map((_, row) => {
    const sum = partials.reduce((total, { columns }) => total + columns.probabilitySum![row]!, 0);
    const bits = partials.reduce((odd, { columns }) => odd | columns.odd![row]!, 0) & ~Odd.notOne;
    return bits & Odd.nonFinite || Math.abs(sum - 1) <= SUM_TOLERANCE ? bits : bits | Odd.notOne;
  });
}

function joinWeights(partials: Partials): Float64Array<ArrayBuffer> | undefined {
  if (partials[0]!.targets.classWeights === undefined) return undefined;
  return Float64Array.from(partials.flatMap(({ targets }) => Array.from(targets.classWeights!)));
}

/**
 * Finds places among the places that the shards found: the first place of a row is the first place in one of its
 * shards.
 */
function placesOf(partials: Partials, labels: Int32Array): Parameters<typeof findCauses>[2] {
  const inOrder = (places: Place[]): Place[] =>
    places
      .toSorted((a, b) => a.column - b.column)
      .map((place) => ({ ...place, is_label: place.column === labels[place.row] }));
  const soft = partials[0]!.targets.probabilities !== undefined;
  const located = Map.groupBy(
    partials.flatMap(({ findings }) => findings.locations),
    ({ row }) => row,
  );
  return {
    first: (cause, row) => {
      const place = (column: number): Place => ({
        ...{ row, column, value: '-Infinity', masked: false },
        is_label: column === labels[row],
      });
      if (cause === 'all_neg_inf_row') return place(0);
      if (cause === 'neg_inf_at_label' && !soft) return place(labels[row]!);
      // Each shard reports only its first row with a cause. When that is another row, this returns no place rather than
      // a wrong one.
      const firsts = partials.flatMap(({ findings }) => findings.causes[cause]?.first ?? []);
      return inOrder(firsts.filter((first) => first.row === row))[0];
    },
    locate: (row, most) => inOrder(located.get(row) ?? []).slice(0, most),
  };
}

/**
 * Norm √Σ_c g_c² of each row's gradient, for class indices without softcap, times the scale of the logits. With a = t +
 * b·W + z·lse the classes c ≠ y of a shard have g_c = a·s_c − b·w_c = A·q_c − b·w_c. Here q is their softmax without
 * the other classes, and A = a times their part of the whole sum. From their moments Σ g_c² is A²·spread² + 2·A·v·along
 * + v²·Σ w², with v = A·slope − b.
 * @param classes of the whole vocabulary
 */
export function mergeGradientNorms(
  partials: Partials,
  { targets, columns, sharded }: MergedPartials,
  { t, b, z }: GradientCoefficients,
  { classes, scale }: { classes: number; scale: number },
): Float64Array<ArrayBuffer> {
  const { classWeights } = targets;
  const classesAsUnit = classUnit(classes);
  const W = classWeights === undefined ? classes / classesAsUnit : sumOf(classWeights, classesAsUnit);
  return Float64Array.from(targets.classes, (y, row) => {
    if (y < 0) return 0;
    // Infinite where D = 0: the gradient contains a NaN then.
    if (!Number.isFinite(t[row]!)) return Number.NaN;
    const [nll, lse] = [columns.nll[row]!, columns.lse![row]!];
    // Without smoothing (b = 0) large weights must not produce 0·∞.
    const weigh = (weight: number): number => (b[row] === 0 ? 0 : b[row]! * weight);
    const others = weigh(classesAsUnit) * W + z[row]! * lse;
    const weightNorm = partials.reduce((most, shard) => Math.max(most, shard.columns.weightNorm![row]!), 0);
    const size = Math.max(Math.abs(t[row]!), Math.abs(others), Math.abs(weigh(weightNorm)));
    if (size === 0 || !Number.isFinite(size)) return size;
    // Squares values relative to the coefficients, which prevents overflow.
    const unit = powerOfTwo(size);
    const a = t[row]! / unit + others / unit;
    const ofShards = partials.map((partial, k) => {
      const ofRow = Math.exp(-sharded.growth(row, k));
      // A shard that is −Inf throughout has no softmax.
      const share = ofRow === 0 ? 0 : ofRow * shareOfOthers(partial, y, row);
      return normOfShard(partial.columns, row, share === 0 ? 0 : a * share, b[row]! / unit);
    });
    const w = classWeights?.[y] ?? 1;
    const ofTarget = (t[row]! / unit) * Math.expm1(-nll) + (others / unit) * Math.exp(-nll) - weigh(w) / unit;
    return runAtOnce(euclideanNorm([...ofShards, ofTarget])) * unit * scale;
  });
}

/** √Σ (A·q_c − b·w_c)² over the classes of a shard other than the target. */
function normOfShard(
  { softmaxSpread, softmaxAlong, softmaxSlope, weightNorm }: RowColumns,
  row: number,
  A: number,
  b: number,
): number {
  const norm = weightNorm![row]!;
  const v = A === 0 ? -b : A * softmaxSlope![row]! - b;
  if (A === 0 || v === 0) return A === 0 ? Math.abs(v * norm) : Math.abs(A) * softmaxSpread![row]!;
  const size = Math.abs(A) + Math.abs(v * norm);
  const square =
    ((A / size) * softmaxSpread![row]!) ** 2 +
    2 * (A / size) * ((v / size) * softmaxAlong![row]!) +
    ((v / size) * norm) ** 2;
  return size * Math.sqrt(Math.max(0, square));
}

/** Sum of a shard's softmax over its classes other than the target. */
function shareOfOthers({ vocabulary: { start }, classes, columns }: VocabularyPartial, y: number, row: number): number {
  const hasTarget = y >= start && y < start + classes;
  return hasTarget ? -Math.expm1(-columns.nll[row]!) : 1;
}
