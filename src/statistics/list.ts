import { CALIBRATION } from './calibration.ts';
import { ENTROPY } from './entropy.ts';
import { GRADIENT_NORM } from './gradient-norm.ts';
import { LARGEST_LOGIT } from './largest-logit.ts';
import { LSE } from './lse.ts';
import { NLL } from './nll.ts';
import { NLL_ERROR } from './nll-error.ts';
import { RANK } from './rank.ts';
import { SEQUENCE_LIST } from './sequence-list.ts';
import { SEQUENCE_PERPLEXITY } from './sequence-perplexity.ts';
import { SHARD_PROBABILITIES } from './shard-probabilities.ts';
import { SHARD_ROWS } from './shard-rows.ts';
import { SOFTMAX_MOMENTS } from './softmax-moments.ts';
import type { ColumnType, ColumnsOf, Metric, RowOutput, Statistic, Sums, Term } from './statistic.ts';
import { NLL_PER_BYTE, NLL_PER_WORD } from './text-size.ts';
import { UNIFORM_NLL } from './uniform-nll.ts';
import { WEIGHTED_NLL } from './weighted-nll.ts';

/** All statistics, in the order of their columns in a partial. */
const LIST = {
  nll: NLL,
  lse: LSE,
  uniformNll: UNIFORM_NLL,
  weightedNll: WEIGHTED_NLL,
  rank: RANK,
  entropy: ENTROPY,
  calibration: CALIBRATION,
  largestLogit: LARGEST_LOGIT,
  gradientNorm: GRADIENT_NORM,
  shardRows: SHARD_ROWS,
  shardProbabilities: SHARD_PROBABILITIES,
  softmaxMoments: SOFTMAX_MOMENTS,
  sequenceList: SEQUENCE_LIST,
  sequencePerplexity: SEQUENCE_PERPLEXITY,
  nllError: NLL_ERROR,
  nllPerByte: NLL_PER_BYTE,
  nllPerWord: NLL_PER_WORD,
};

type List = typeof LIST;
export type StatisticName = keyof List;

type Intersection<Union> = (Union extends unknown ? (one: Union) => void : never) extends (all: infer All) => void
  ? All
  : never;

/** Columns of all statistics, with an entry per row. Columns of statistics that were not requested are absent. */
export type RowColumns = ColumnsOf<(typeof NLL)['columns']> &
  Partial<ColumnsOf<Intersection<List[StatisticName]['columns']>>>;

/** Names that `options.outputs` and `options.metrics` accept for statistics. */
export type StatisticOutput = { [Name in StatisticName]: keyof NonNullable<List[Name]['outputs']> }[StatisticName];
export type MetricName = { [Name in StatisticName]: keyof NonNullable<List[Name]['metrics']> }[StatisticName];

export const STATISTICS: Readonly<Record<StatisticName, Statistic>> = LIST;

const ENTRIES = Object.entries(STATISTICS) as [StatisticName, Statistic][];

/** Outputs of the statistics by name. */
export const STATISTIC_OUTPUTS = Object.fromEntries(
  ENTRIES.flatMap(([, { columns, outputs = {} }]) =>
    Object.entries(outputs).map(([name, output]) => [name, { ...output, ...columns[output.column]! }]),
  ),
) as Readonly<Record<StatisticOutput, RowOutput<keyof RowColumns> & ColumnType>>;

/** Metrics of the statistics by name, each with its statistic. */
export const METRICS = Object.fromEntries(
  ENTRIES.flatMap(([statistic, { metrics = {} }]) =>
    Object.entries(metrics).map(([name, metric]) => [name, { ...metric, statistic }]),
  ),
) as Readonly<Record<MetricName, Metric<Sums> & { statistic: StatisticName }>>;

/** Bit of each statistic, in the order of the list: sets of statistics are numbers. */
const BITS = new Map<string, number>(ENTRIES.map(([name], k) => [name, 1 << k]));

/** Statistics that a term, an output or a metric needs, as bits. */
const NEEDED_BY = new Map<string, number>();

for (const [name, { terms = [], outputs = {}, metrics = {}, needs = [] }] of ENTRIES) {
  for (const asked of [...terms, ...Object.keys(outputs), ...Object.keys(metrics)]) {
    NEEDED_BY.set(asked, (NEEDED_BY.get(asked) ?? 0) | bitsOf([name, ...needs]));
  }
}

function bitsOf(names: readonly string[], bits: ReadonlyMap<string, number> = BITS): number {
  return names.reduce((set, name) => set | (bits.get(name) ?? 0), 0);
}

/** Cache of the lists of requested sets, so that small requests spend no time on them. */
const REQUESTED = new Map<number, readonly StatisticName[]>();

function inOrder(set: number): readonly StatisticName[] {
  let names = REQUESTED.get(set);
  if (names === undefined) {
    names = ENTRIES.flatMap(([name]) => (set & BITS.get(name)! ? [name] : []));
    REQUESTED.set(set, names);
  }
  return names;
}

/** Statistics that terms, outputs and metrics need, in the order of the list. */
export function requestStatistics(
  terms: readonly Term[],
  { outputs, metrics }: { outputs: readonly string[]; metrics: readonly string[] },
): readonly StatisticName[] {
  return inOrder(bitsOf(terms, NEEDED_BY) | bitsOf(outputs, NEEDED_BY) | bitsOf(metrics, NEEDED_BY));
}

/** Statistics of a shard of the vocabulary, from which the requested statistics of the whole rows are merged. */
export function statisticsOfShard(
  requested: readonly StatisticName[],
  { probabilities }: { probabilities: boolean },
): readonly StatisticName[] {
  const needed = bitsOf(requested.flatMap((name) => STATISTICS[name].ofShard ?? []));
  return inOrder(probabilities ? needed | BITS.get('shardProbabilities')! : needed);
}

/** Allocates the columns of a batch. */
export function makeColumns(rows: number, statistics: readonly StatisticName[]): RowColumns {
  const columns: Record<string, Float64Array | Int32Array> = {};
  for (const name of statistics) {
    const types = STATISTICS[name].columns;
    for (const column in types) {
      columns[column] = types[column]!.dtype === 'float64' ? new Float64Array(rows) : new Int32Array(rows);
    }
  }
  return columns as RowColumns;
}

/** Copies the columns of a block to the positions of its rows in the batch. */
export function setColumns(all: RowColumns, block: RowColumns, firstRow: number): void {
  for (const name of Object.keys(all) as (keyof RowColumns)[]) all[name]!.set(block[name]!, firstRow);
}
