import type { GradientCoefficients } from '../../kernels/bindings.ts';
import type { Transform } from '../../kernels/transform.ts';
import type { Findings } from '../diagnostics/findings.ts';
import type { BadInColumn, Survey } from '../diagnostics/survey.ts';
import type { RowColumns, StatisticName } from '../statistics/list.ts';
import { makeColumns } from '../statistics/list.ts';
import { copyInSteps } from '../steps.ts';
import type { Steps } from '../steps.ts';
import { DTYPE_BYTES } from '../tensor/dtype.ts';
import type { FloatDType } from '../tensor/dtype.ts';
import { cutOtherTargets, makeAlternativeColumns } from './alternatives.ts';
import type { AlternativeColumns, OtherTargets } from './alternatives.ts';
import { cutComparedRows, ownComparedRows } from './compared-rows.ts';
import type { ComparedRows, ComparisonPlan } from './compared-rows.ts';

/** Plan of a batch: the properties that all its blocks share. */
export interface BlockPlan {
  dtype: FloatDType;
  classes: number;
  statistics: readonly StatisticName[];
  /** True when rows that are left out need their statistics too. */
  everyRow: boolean;
  /** True for a shard of the vocabulary, whose rows are merged with those of other shards. */
  isShard: boolean;
  transform: Transform | undefined;
  /** Index of the first column among all classes. */
  firstColumn: number;
  /** Weights of the classes, if the kernels need them. The blocks share this memory, so no message copies it. */
  classWeights: Float64Array | undefined;
  /** Number of equal shards of consecutive classes, which are evaluated separately and merged. */
  shards: number;
  /** Dtype of the returned gradient; undefined when none is returned. */
  gradientDType: FloatDType | undefined;
  /** Counts of a survey, which all blocks share and add to. A survey replaces the loss. */
  badInColumn: BadInColumn | undefined;
  /** A comparison with a reference, which replaces the loss. */
  comparison: ComparisonPlan | undefined;
}

/** Consecutive rows of a batch, to be evaluated together. */
export interface Block {
  plan: BlockPlan;
  /** Index of the block's first row in the batch. */
  firstRow: number;
  /** Class to score per row, NO_TARGET or LEFT_OUT. */
  targets: Int32Array<ArrayBuffer>;
  /** Targets of other shifts; undefined if the loss is computed only as the options say. */
  others: OtherTargets | undefined;
  /** Class probabilities, shaped like the logits. */
  probabilities: { dtype: FloatDType; data: Uint8Array } | undefined;
  /** Rows of the other side of a comparison. */
  compared: ComparedRows | undefined;
  /** Coefficients for a gradient, or for its norm. */
  coefficients: GradientCoefficients | undefined;
  /** Largest number of places of non-finite logits in the answer. */
  mostPlaces: number;
  /** Nll that a row must exceed to be among the worst of the batch. No rank is computed for other rows. */
  worstAbove: number | undefined;
}

/** Result of evaluating a block. */
export interface BlockResult {
  columns: BlockColumns;
  findings: Findings;
  /** Findings in the reference; only of a comparison. */
  referenceFindings?: Findings;
  /** (rows, classes) elements. */
  gradient?: Uint8Array<ArrayBuffer>;
  /** Survey of the values; only when requested, instead of the loss. */
  survey?: Survey;
}

type F64 = Float64Array<ArrayBuffer>;
type I32 = Int32Array<ArrayBuffer>;

/** Columns of a comparison, an entry per row. */
export interface ComparedColumns {
  /** Divergence of the two rows, in nats. */
  divergence: F64;
  /** −log softmax at the label, of the logits and of the reference; 0 without a label. */
  nll: F64;
  referenceNll: F64;
  /** First class at which the divergence is +Infinity, or −1. */
  infinite: I32;
  /** Class of the largest logit of each side, the lowest on ties; −1 for a row with NaN. */
  prediction: I32;
  referencePrediction: I32;
}

/** Columns of a batch: columns of its statistics, or of a comparison. */
export type BlockColumns = RowColumns & Partial<ComparedColumns> & Partial<AlternativeColumns>;

/** Allocates the columns of a batch. */
export function makeBlockColumns({ plan, others, targets: { length } }: Block): BlockColumns {
  if (plan.comparison !== undefined) return makeComparedColumns(length);
  const columns = makeColumns(length, plan.statistics);
  return others === undefined ? columns : { ...columns, ...makeAlternativeColumns(length) };
}

/** Allocates the columns of a comparison. */
export function makeComparedColumns(rows: number): ComparedColumns {
  return {
    divergence: new Float64Array(rows),
    nll: new Float64Array(rows),
    referenceNll: new Float64Array(rows),
    infinite: new Int32Array(rows),
    prediction: new Int32Array(rows),
    referencePrediction: new Int32Array(rows),
  };
}

/** Plan of a batch that needs only its loss. */
export function plainPlan(dtype: FloatDType, classes: number): BlockPlan {
  return {
    dtype,
    classes,
    statistics: ['nll'],
    everyRow: false,
    isShard: false,
    transform: undefined,
    firstColumn: 0,
    classWeights: undefined,
    shards: 1,
    gradientDType: undefined,
    badInColumn: undefined,
    comparison: undefined,
  };
}

/** Block of all rows of a batch, with class indices as targets. */
export function wholeBlock(plan: BlockPlan, targets: Int32Array<ArrayBuffer>): Block {
  return {
    plan,
    targets,
    firstRow: 0,
    others: undefined,
    probabilities: undefined,
    compared: undefined,
    coefficients: undefined,
    mostPlaces: 16,
    worstAbove: undefined,
  };
}

/** Block that needs only its loss. */
export function plainBlock(dtype: FloatDType, classes: number, targets: Int32Array<ArrayBuffer>): Block {
  return wholeBlock(plainPlan(dtype, classes), targets);
}

/**
 * Selects rows of a block, counted from its first. Targets and coefficients are copied, because posting a view clones
 * the whole array behind it. Class probabilities and compared rows may be long, so they remain a view: see ownRows.
 * @param shift rows by which the probabilities are ahead: rows beyond the end have none and are left out
 */
export function cutBlock(block: Block, firstRow: number, rows: number, shift: number): Block {
  const end = firstRow + rows;
  const { probabilities, compared, coefficients } = block;
  return {
    ...block,
    firstRow: block.firstRow + firstRow,
    targets: block.targets.slice(firstRow, end),
    others: block.others && cutOtherTargets(block.others, firstRow, end),
    coefficients: coefficients && {
      t: coefficients.t.slice(firstRow, end),
      b: coefficients.b.slice(firstRow, end),
      z: coefficients.z.slice(firstRow, end),
    },
    compared: compared && cutComparedRows(compared, firstRow, rows),
    probabilities: probabilities && { ...probabilities, data: cutProbabilities(block, firstRow + shift, rows) },
  };
}

function cutProbabilities({ plan: { classes }, probabilities }: Block, firstRow: number, rows: number): Uint8Array {
  const { dtype, data } = probabilities!;
  const rowBytes = classes * DTYPE_BYTES[dtype];
  return data.subarray(firstRow * rowBytes, (firstRow + rows) * rowBytes);
}

/**
 * Copies class probabilities, padded with zeros to all rows of the block, and compared rows into transferable memory.
 */
export function* ownRows(block: Block): Steps<Block> {
  const { plan, probabilities, targets, compared } = block;
  if (compared !== undefined) return { ...block, compared: yield* ownComparedRows(compared) };
  if (probabilities === undefined) return block;
  const data = new Uint8Array(targets.length * plan.classes * DTYPE_BYTES[probabilities.dtype]);
  yield* copyInSteps(probabilities.data, data, 0);
  return { ...block, probabilities: { ...probabilities, data } };
}

/** Buffers of a block that are transferred to a worker. */
export function buffersOf({ probabilities, compared }: Block): ArrayBuffer[] {
  const rows = [probabilities?.data, compared?.beside?.data].filter((data) => data !== undefined);
  return rows.map(({ buffer }) => buffer as ArrayBuffer);
}
