import type { Kernel } from '../../kernels/kernel.ts';
import type { RowProbabilities } from '../../kernels/block.ts';
import type { RowBlock } from '../../kernels/bindings.ts';
import type { SequenceFacts } from './sequences.ts';
import type { ShardedRows } from './sharded-rows.ts';

type F64 = Float64Array<ArrayBuffer>;
type I32 = Int32Array<ArrayBuffer>;

/** Element type of a column; of integers the closed range for rows of C classes. */
export type ColumnType = { readonly dtype: 'float64' } | { readonly dtype: 'int32'; readonly range: Range };

type Range = (C: number) => readonly [least: number, greatest: number];

export const FLOAT64 = { dtype: 'float64' } as const;

/** Column of integers. @param range closed range for rows of C classes */
export const int32 = (range: Range): { readonly dtype: 'int32'; readonly range: Range } => ({ dtype: 'int32', range });

export type ColumnTypes = Readonly<Record<string, ColumnType>>;

/** Columns with an entry per row. */
export type ColumnsOf<Types extends ColumnTypes> = {
  -readonly [Name in keyof Types]: Types[Name] extends { dtype: 'float64' } ? F64 : I32;
};

/** Part of the loss or of the diagnostics that needs a statistic. Outputs and metrics are requested by their names. */
export type Term = 'loss' | 'smoothing' | 'z_loss' | 'weighted_probabilities' | 'gradient_norm' | 'sequences';

/** A tensor that `options.outputs` may request: a column. */
export interface RowOutput<Column> {
  readonly column: Column;
  /** Sentence of the documentation, after the name. */
  readonly description: string;
  /** True when rows that are left out have a value too. */
  readonly everyRow?: boolean;
  /** True when shards of the vocabulary suffice for it. */
  readonly overShards?: boolean;
}

/** A mean that `options.metrics` may request. */
export interface Metric<Own> {
  /** Sentence of the documentation of the request, after the name. */
  readonly description: string;
  /** Documentation of the value in the answer. */
  readonly meaning: string;
  readonly example: number;
  readonly overShards?: boolean;
  /** Field of the request that it needs. */
  readonly field?: 'bytes' | 'words';
  /** @param weight Σ m over counted rows */
  of(sums: Own, weight: number): number;
}

/** Sums over the counted rows of one or more batches. */
export interface Sums {
  /** Returns a function that adds a counted row of weight m. It is called in the order of rows. */
  adder(columns: object, facts: SequenceFacts): (row: number, m: number) => void;
  /** Form in which the sums are stored and added to others: numbers, bytes, and lists and objects of them. */
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
  /** True for a shard of the vocabulary: its rows are merged with those of the other shards. */
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
  /** Weights of the columns; 1 without. */
  readonly classWeights: Float64Array | undefined;
  readonly columns: Columns;
}

/** Shards of the same rows, in the order of their columns, which together are the vocabulary. */
export interface Shards<Columns> {
  readonly parts: readonly Shard<Columns>[];
  readonly sharded: ShardedRows;
  /** Class of each row, with class probabilities the most probable one; NO_TARGET or LEFT_OUT. */
  readonly labels: Int32Array;
}

/** A statistic of rows. The service allocates, transfers, reduces and documents what is declared here. */
export interface Statistic<
  Types extends ColumnTypes = ColumnTypes,
  Output extends string = string,
  MetricName extends string = string,
  Own extends Sums = Sums,
> {
  readonly columns: Types;
  /** Terms that need it. A statistic without terms is computed for its outputs and metrics only. */
  readonly terms?: readonly Term[];
  /** Names of statistics that are computed with it. */
  readonly needs?: readonly string[];
  readonly outputs?: Readonly<Record<Output, RowOutput<keyof Types>>>;
  readonly metrics?: Readonly<Record<MetricName, Metric<Own>>>;
  compute(rows: EvaluatedRows): ColumnsOf<Types>;
  /** Makes empty sums of it, if it is reduced. */
  sums?(): Own;
  /** Statistics of a shard of the vocabulary that replace it; absent when shards do not suffice. */
  readonly ofShard?: readonly string[];
  /** Merges it from the columns of shards, where nothing else is needed. */
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
