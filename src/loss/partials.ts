import { LEFT_OUT, NO_TARGET, Odd, SUM_TOLERANCE } from '../../kernels/loader.ts';
import type { GradientCoefficients, RowBlock } from '../../kernels/loader.ts';
import { findCauses } from './diagnostics.ts';
import type { Findings, Place } from './diagnostics.ts';
import type { RowColumns } from './rows.ts';
import { growth, logSumExp, mergeShards } from './shards.ts';
import { CompensatedSum } from './summation.ts';
import type { Targets } from './targets.ts';
import type { Vocabulary } from './vocabulary.ts';

/** What is known of the rows of a batch over a shard of the vocabulary. */
export interface VocabularyPartial {
  readonly vocabulary: Vocabulary;
  /** Columns of the shard. */
  readonly classes: number;
  /** Their classes are those of the whole vocabulary, their class weights those of the shard. */
  readonly targets: Targets;
  readonly columns: RowColumns;
  /** First places, with columns of the whole vocabulary; the counts are those of the shard. */
  readonly findings: Pick<Findings, 'causes' | 'locations'>;
}

type Partials = readonly VocabularyPartial[];

/**
 * Merges the partials of all shards into what one evaluation of the whole rows would have yielded.
 * @param partials in the order of their columns, which together are the vocabulary; all about the same rows
 */
export function mergePartials(partials: Partials): { targets: Targets; columns: RowColumns; findings: Findings } {
  const { targets, columns } = partials[0]!;
  const rows = mergeShards(
    partials.map((partial) => partial.columns as RowBlock),
    partials.map((partial) => targetsWithin(partial.targets, partial.vocabulary, partial.classes)),
  );
  const soft = targets.probabilities !== undefined;
  const labels = soft ? mostProbable(partials) : targets.classes;
  const nll = soft ? mergeCrossEntropy(partials, 'nll', ({ probabilitySum }, row) => probabilitySum![row]!) : rows.nll;
  const probabilities = soft ? { odd: mergeOdd(partials), nll } : undefined;
  return {
    targets: { ...targets, classWeights: joinWeights(partials) },
    columns: {
      nll,
      lse: rows.lse,
      ...(columns.uniformNll && { uniformNll: mergeUniformNll(partials) }),
      ...(columns.weightedNll && {
        weightedNll: mergeCrossEntropy(partials, 'weightedNll', ({ probabilityMass }, row) => probabilityMass![row]!),
      }),
      ...(columns.maximum && mergeRanks(partials, labels)),
    },
    findings: findCauses({ ...rows, probabilities }, labels, placesOf(partials, labels)),
  };
}

/** The class of each row within a shard; NO_TARGET where it is in another. With probabilities they stay as they are. */
export function targetsWithin(
  { classes, probabilities }: Pick<Targets, 'classes' | 'probabilities'>,
  { start }: Vocabulary,
  columns: number,
): Int32Array<ArrayBuffer> {
  if (probabilities !== undefined) return classes;
  return classes.map((y) => (y < 0 ? y : y >= start && y < start + columns ? y - start : NO_TARGET));
}

function addUp(partials: Partials, name: 'probabilitySum'): Float64Array<ArrayBuffer> {
  return partials[0]!.columns[name]!.map((_, row) =>
    partials.reduce((sum, { columns }) => sum + columns[name]![row]!, 0),
  );
}

function mergeUniformNll(partials: Partials): Float64Array<ArrayBuffer> {
  const masses = partials.map(({ targets: { classWeights }, classes }) =>
    classWeights === undefined ? classes : classWeights.reduce((sum, weight) => sum + weight, 0),
  );
  return mergeCrossEntropy(partials, 'uniformNll', (_columns, _row, k) => masses[k]!);
}

/** Σ_k [Σ_c v_c·p_c·(lse_k − x_c) + (lse − lse_k)·Σ_c v_c·p_c], where a shard without probability adds nothing. */
function mergeCrossEntropy(
  partials: Partials,
  name: 'nll' | 'weightedNll' | 'uniformNll',
  massOf: (columns: RowColumns, row: number, k: number) => number,
): Float64Array<ArrayBuffer> {
  return partials[0]!.columns[name]!.map((_, row) => {
    if (partials[0]!.targets.classes[row] === LEFT_OUT) return 0;
    const lses = lsesOf(partials, row);
    if (!Number.isFinite(logSumExp(lses))) return Number.NaN;
    return partials.reduce((sum, { columns }, k) => {
      const massOfShard = massOf(columns, row, k);
      if (massOfShard === 0 && lses[k] === -Infinity) return sum;
      const within = lses[k] === -Infinity ? 0 : columns[name]![row]!;
      return sum + within + (massOfShard === 0 ? 0 : massOfShard * growth(lses, k));
    }, 0);
  });
}

function lsesOf(partials: Partials, row: number): number[] {
  return partials.map(({ columns }) => columns.lse![row]!);
}

/** The most probable class of each row, the first of equals. */
function mostProbable(partials: Partials): Int32Array<ArrayBuffer> {
  return partials[0]!.targets.classes.map((fate, row) => {
    if (fate === LEFT_OUT) return LEFT_OUT;
    const { vocabulary, columns } = largest(partials, ({ labelProbability }) => labelProbability![row]!);
    return vocabulary.start + columns.label![row]!;
  });
}

/** The first partial whose columns say the largest value. */
function largest(partials: Partials, valueOf: (columns: RowColumns) => number): VocabularyPartial {
  return partials.reduce((a, b) => (valueOf(b.columns) > valueOf(a.columns) ? b : a));
}

/** Any rank but the first: which one, shards do not know, and nobody asks. */
const NOT_FIRST = 2 ** 31 - 1;

function mergeRanks(partials: Partials, labels: Int32Array): Pick<RowColumns, 'predictions' | 'targetRank'> {
  const predictions = new Int32Array(labels.length);
  const targetRank = new Int32Array(labels.length).fill(-1);
  labels.forEach((label, row) => {
    const { vocabulary, columns } = largest(partials, ({ maximum }) => maximum![row]!);
    predictions[row] = vocabulary.start + columns.predictions![row]!;
    if (label < 0) return;
    targetRank[row] = label === predictions[row] && columns.targetRank![row] === 0 ? 0 : NOT_FIRST;
  });
  return { predictions, targetRank };
}

/** Bits of Odd of whole rows. */
function mergeOdd(partials: Partials): Int32Array<ArrayBuffer> {
  const sums = addUp(partials, 'probabilitySum');
  return Int32Array.from(sums, (sum, row) => {
    const bits = partials.reduce((odd, { columns }) => odd | columns.odd![row]!, 0) & ~Odd.notOne;
    return bits & Odd.nonFinite || Math.abs(sum - 1) <= SUM_TOLERANCE ? bits : bits | Odd.notOne;
  });
}

function joinWeights(partials: Partials): Float64Array<ArrayBuffer> | undefined {
  if (partials[0]!.targets.classWeights === undefined) return undefined;
  return Float64Array.from(partials.flatMap(({ targets }) => Array.from(targets.classWeights!)));
}

/** Places from those that the shards found: the first of a row over all shards is the first of one of them. */
function placesOf(partials: Partials, labels: Int32Array): Parameters<typeof findCauses>[2] {
  const inOrder = (places: Place[]): Place[] =>
    places
      .toSorted((a, b) => a.column - b.column)
      .map((place) => ({ ...place, is_label: place.column === labels[place.row] }));
  const soft = partials[0]!.targets.probabilities !== undefined;
  return {
    first: (cause, row) => {
      const place = (column: number): Place => ({
        ...{ row, column, value: '-Infinity', masked: false },
        is_label: column === labels[row],
      });
      if (cause === 'all_neg_inf_row') return place(0);
      if (cause === 'neg_inf_at_label' && !soft) return place(labels[row]!);
      const firsts = partials.flatMap(({ findings }) => findings.causes[cause]?.first ?? []);
      return inOrder(firsts.filter((first) => first.row === row))[0];
    },
    locate: (row, most) => {
      const located = partials.flatMap(({ findings }) => findings.locations.filter((place) => place.row === row));
      return inOrder(located).slice(0, most);
    },
  };
}

/**
 * Σ_c g_c² of each row, of class indices without softcap. With Q = Σ_{c≠y} s_c² and X = Σ_{c≠y} w_c·s_c, and
 * a = t + b·W + z·lse, it is a²·Q − 2·a·b·X + b²·Σ_{c≠y} w_c² + g_y²; of logits that were scaled, times scale².
 * @param merged what mergePartials made of the partials
 * @param classes of the whole vocabulary
 */
export function mergeGradientSquares(
  partials: Partials,
  { targets, columns }: { targets: Targets; columns: RowColumns },
  { t, b, z }: GradientCoefficients,
  { classes, scale }: { classes: number; scale: number },
): Float64Array<ArrayBuffer> {
  const weightOf = (y: number): number => targets.classWeights?.[y] ?? 1;
  const W = new CompensatedSum();
  const W2 = new CompensatedSum();
  for (let c = 0; c < classes; c++) {
    W.add(weightOf(c));
    W2.add(weightOf(c) ** 2);
  }
  return Float64Array.from(targets.classes, (y, row) => {
    if (y < 0) return 0;
    const lses = lsesOf(partials, row);
    let Q = 0;
    let X = 0;
    partials.forEach(({ columns: { softmaxSquares, softmaxSum } }, k) => {
      if (lses[k] === -Infinity) return;
      const share = Math.exp(-growth(lses, k));
      Q += softmaxSquares![row]! * share * share;
      X += softmaxSum![row]! * share;
    });
    const [nll, lse] = [columns.nll[row]!, columns.lse![row]!];
    const others = b[row]! * W.value + z[row]! * lse;
    const a = t[row]! + others;
    const w = weightOf(y);
    const ofTarget = t[row]! * Math.expm1(-nll) + others * Math.exp(-nll) - b[row]! * w;
    const ofOthers = a * a * Q - 2 * a * b[row]! * X + b[row]! ** 2 * (W2.value - w * w);
    return (Math.max(0, ofOthers) + ofTarget ** 2) * scale ** 2;
  });
}
