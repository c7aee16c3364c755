import { LEFT_OUT, Odd, SUM_TOLERANCE } from '../../kernels/abi.ts';
import type { Place } from '../diagnostics/causes.ts';
import { addSigns, findCauses } from '../diagnostics/findings.ts';
import type { Findings } from '../diagnostics/findings.ts';
import { worstRows } from '../diagnostics/worst-rows.ts';
import { largestOf } from '../statistics/largest-of.ts';
import { STATISTICS } from '../statistics/list.ts';
import type { RowColumns, StatisticName } from '../statistics/list.ts';
import { mergeCrossEntropy } from '../statistics/merge-cross-entropy.ts';
import { ShardedRows, classesWithin, mergeShards } from '../statistics/sharded-rows.ts';
import type { Shards } from '../statistics/statistic.ts';
import type { Targets } from './targets.ts';
import type { Vocabulary } from './vocabulary.ts';

/** Results of the rows of a batch over a shard of the vocabulary. */
export interface VocabularyPartial {
  readonly vocabulary: Vocabulary;
  /** Columns of the shard. */
  readonly classes: number;
  /** Targets with classes of the whole vocabulary and class weights of the shard. */
  readonly targets: Targets;
  readonly columns: RowColumns;
  /** First places, with columns of the whole vocabulary; counts within the shard. */
  readonly findings: Pick<Findings, 'causes' | 'locations' | 'signs'>;
}

type Partials = readonly VocabularyPartial[];

/** Merged results, equal to the results of one evaluation of the whole rows. */
export interface MergedPartials {
  targets: Targets;
  columns: RowColumns & { lse: Float64Array<ArrayBuffer> };
  findings: Findings;
  shards: Shards<Required<RowColumns>>;
}

/**
 * Merges the partials of all shards.
 * @param partials partials of the same rows, in the order of their columns, which together cover the vocabulary
 * @param statistics statistics of the whole rows, from statisticsOf
 * @param mostPlaces maximum number of places in an answer
 */
export function mergePartials(
  partials: Partials,
  statistics: readonly StatisticName[],
  mostPlaces: number,
): MergedPartials {
  const { targets } = partials[0]!;
  const parts = partials.map(({ vocabulary, classes, targets: { classWeights }, columns }) => ({
    start: vocabulary.start,
    classes,
    classWeights,
    columns: columns as Required<RowColumns>,
  }));
  const sharded = new ShardedRows(parts.map(({ columns }) => columns));
  const rows = mergeShards(
    parts.map(({ columns }) => columns),
    partials.map((partial) => targetsWithin(partial.targets, partial.vocabulary, partial.classes)),
    sharded,
  );
  const soft = targets.probabilities !== undefined;
  const labels = soft ? mostProbable(parts, targets.classes) : targets.classes;
  const shards = { parts, sharded, labels };
  const columns = Object.assign(
    { nll: soft ? mergeSoftNll(shards) : rows.nll, lse: rows.lse },
    ...statistics.map((name) => STATISTICS[name].merge?.(shards)),
  ) as MergedPartials['columns'];
  const { nll, uniformNll } = columns;
  const probabilities = soft ? { odd: mergeOdd(parts), nll } : undefined;
  return {
    targets: { ...targets, classWeights: joinWeights(partials) },
    columns,
    findings: {
      ...findCauses({ ...rows, probabilities, uniformNll }, labels, placesOf(partials, labels), mostPlaces),
      signs: partials.map((partial) => partial.findings.signs).reduce(addSigns),
      worst: worstRows(nll, labels),
    },
    shards,
  };
}

/** Cross-entropies of class probabilities. */
function mergeSoftNll(shards: MergedPartials['shards']): Float64Array<ArrayBuffer> {
  return mergeCrossEntropy(shards, {
    termOf: ({ nll }) => nll,
    massOf: (k, row) => shards.parts[k]!.columns.probabilitySum[row]!,
  });
}

/**
 * Class of each row within a shard; NO_TARGET for a class of another shard. With class probabilities the classes are
 * unchanged.
 */
export function targetsWithin(
  { classes, probabilities }: Pick<Targets, 'classes' | 'probabilities'>,
  { start }: Vocabulary,
  columns: number,
): Int32Array<ArrayBuffer> {
  if (probabilities !== undefined) return classes;
  return classesWithin(classes, start, columns);
}

type Parts = MergedPartials['shards']['parts'];

/** Most probable class of each row, the first one on ties. */
function mostProbable(parts: Parts, fates: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  return fates.map((fate, row) => {
    if (fate === LEFT_OUT) return LEFT_OUT;
    const { start, columns } = largestOf(parts, ({ labelProbability }) => labelProbability[row]!);
    return start + columns.label[row]!;
  });
}

/** Bits of Odd of whole rows. */
function mergeOdd(parts: Parts): Int32Array<ArrayBuffer> {
  return parts[0]!.columns.odd.map((_, row) => {
    const sum = parts.reduce((total, { columns }) => total + columns.probabilitySum[row]!, 0);
    const bits = parts.reduce((odd, { columns }) => odd | columns.odd[row]!, 0) & ~Odd.notOne;
    return bits & Odd.nonFinite || Math.abs(sum - 1) <= SUM_TOLERANCE ? bits : bits | Odd.notOne;
  });
}

function joinWeights(partials: Partials): Float64Array<ArrayBuffer> | undefined {
  if (partials[0]!.targets.classWeights === undefined) return undefined;
  return Float64Array.from(partials.flatMap(({ targets }) => Array.from(targets.classWeights!)));
}

/**
 * Selects from the places that the shards found. The first place of a row is the place with the lowest column among its
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
        row,
        column,
        value: '-Infinity',
        masked: false,
        is_label: column === labels[row],
      });
      if (cause === 'all_neg_inf_row') return place(0);
      if (cause === 'neg_inf_at_label' && !soft) return place(labels[row]!);
      // Each shard reports only its first row with a cause. If all of these are other rows, no place is returned.
      const firsts = partials.flatMap(({ findings }) => findings.causes[cause]?.first ?? []);
      return inOrder(firsts.filter((first) => first.row === row))[0];
    },
    locate: (row, most) => inOrder(located.get(row) ?? []).slice(0, most),
  };
}
