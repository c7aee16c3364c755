import type { Kernel } from '../../kernels/kernel.ts';
import type { RowProbabilities } from '../../kernels/block.ts';
import type { RowBlock } from '../../kernels/bindings.ts';
import type { SequenceFacts } from './sequences.ts';
import type { ShardedRows } from './sharded-rows.ts';

type F64 = Float64Array<ArrayBuffer>;
type I32 = Int32Array<ArrayBuffer>;

/** Element type of a column; for integers also the closed range of values in rows of C classes. */
export type ColumnType = { readonly dtype: 'float64' } | { readonly dtype: 'int32'; readonly range: Range };

type Range = (C: number) => readonly [least: number, greatest: number];

export const FLOAT64 = { dtype: 'float64' } as const;

/** Type of a column of integers. @param range closed range of values in rows of C classes */
export const int32 = (range: Range): { readonly dtype: 'int32'; readonly range: Range } => ({ dtype: 'int32', range });

export type ColumnTypes = Readonly<Record<string, ColumnType>>;

/** Arrays of the columns, with an entry per row. */
export type ColumnsOf<Types extends ColumnTypes> = {
  -readonly [Name in keyof Types]: Types[Name] extends { dtype: 'float64' } ? F64 : I32;
};

/** Part of the loss or of the diagnostics that needs a statistic. Outputs and metrics are requested by their names. */
export type Term = 'loss' | 'smoothing' | 'z_loss' | 'weighted_probabilities' | 'gradient_norm' | 'sequences';

/** A tensor that `options.outputs` can request: a column. */
export interface RowOutput<Column> {
  readonly column: Column;
  /** Sentence of the documentation, after the name. */
  readonly description: string;
  /** True when rows that are left out have a value too. */
  readonly everyRow?: boolean;
  /** True when the output can be computed over shards of the vocabulary. */
  readonly overShards?: boolean;
}

/** A metric that `options.metrics` can request. */
export interface Metric<Own> {
  /** Sentence of the documentation of the request, after the name. */
  readonly description: string;
  /** Documentation of the value in the answer. */
  readonly meaning: string;
  readonly example: number;
  readonly overShards?: boolean;
  /** Field of the request that the metric needs. */
  readonly field?: 'bytes' | 'words';
  /** @param weight Σ m over counted rows */
  of(sums: Own, weight: number): number;
}

/** Sums over the counted rows of one or more batches. */
export interface Sums {
  /** Returns a function that adds a counted row of weight m. It is called in the order of rows. */
  adder(columns: object, facts: SequenceFacts): (row: number, m: number) => void;
  /** Form in which sums are stored, and appended to other sums: numbers, bytes, and lists and objects of them. */
  save(): object;
  /** Adds the saved sums of another batch. */
  append(saved: object): void;
}

/** Rows of a block that a kernel has evaluated. Statistics compute their columns from them. */
export interface EvaluatedRows {
  readonly kernel: Kernel;
  readonly forward: RowBlock;
  /** Results for class probabilities; undefined for class indices. */
  readonly soft:
    | {
        readonly rows: RowProbabilities;
        readonly crossEntropy: ReturnType<Kernel['crossEntropy']>;
        readonly probabilityAt: (row: number, column: number) => number;
      }
    | undefined;
  /** True for a shard of the vocabulary, whose rows are merged with the rows of the other shards. */
  readonly isShard: boolean;
  /** Predictions, ranks and largest logits, computed once. */
  readonly ranked: () => ReturnType<Kernel['rank']>;
}

/** Rows of a shard of the vocabulary. */
export interface Shard<Columns> {
  /** Index of the first column among all classes. */
  readonly start: number;
  /** Number of columns. */
  readonly classes: number;
  /** Weights of the columns; undefined means 1 for every column. */
  readonly classWeights: Float64Array | undefined;
  readonly columns: Columns;
}

/** Shards of the same rows, in the order of their columns, which together cover the vocabulary. */
export interface Shards<Columns> {
  readonly parts: readonly Shard<Columns>[];
  readonly sharded: ShardedRows;
  /** Class of each row, NO_TARGET or LEFT_OUT; with class probabilities the most probable class. */
  readonly labels: Int32Array;
}

/** A statistic of rows. The service allocates, transfers, reduces and documents it according to this declaration. */
export interface Statistic<
  Types extends ColumnTypes = ColumnTypes,
  Output extends string = string,
  MetricName extends string = string,
  Own extends Sums = Sums,
> {
  readonly columns: Types;
  /** Terms that need the statistic. Without terms it is computed only for its outputs and metrics. */
  readonly terms?: readonly Term[];
  /** Names of the statistics that must be computed too. */
  readonly needs?: readonly string[];
  readonly outputs?: Readonly<Record<Output, RowOutput<keyof Types>>>;
  readonly metrics?: Readonly<Record<MetricName, Metric<Own>>>;
  compute(rows: EvaluatedRows): ColumnsOf<Types>;
  /** Makes empty sums; absent for a statistic that is not reduced. */
  sums?(): Own;
  /** Statistics that replace it in a shard of the vocabulary; absent when it cannot be computed over shards. */
  readonly ofShard?: readonly string[];
  /** Merges the statistic from the columns of shards, for statistics that need nothing else. */
  merge?(shards: Shards<object>): ColumnsOf<Types>;
}

/** Declares a statistic, and infers its types. */
export function statistic<
  const Types extends ColumnTypes,
  Output extends string = never,
  MetricName extends string = never,
  Own extends Sums = Sums,
>(declared: Statistic<Types, Output, MetricName, Own>): Statistic<Types, Output, MetricName> {
  return declared;
}
