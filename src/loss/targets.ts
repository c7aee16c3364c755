import { LEFT_OUT, NO_TARGET } from '../../kernels/abi.ts';
import { LossmeterError, refuse } from '../errors.ts';
import type { ErrorPlace } from '../errors.ts';
import { SequenceWalk } from '../statistics/sequences.ts';
import type { SequenceFacts } from '../statistics/sequences.ts';
import { inSteps } from '../steps.ts';
import type { Steps } from '../steps.ts';
import { isFloatDType } from '../tensor/dtype.ts';
import type { FloatDType } from '../tensor/dtype.ts';
import { elementCount, formatShape, sameShape } from '../tensor/shape.ts';
import type { Shape } from '../tensor/shape.ts';
import { elementsOf } from '../tensor/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { floatsInPlace, readClassWeights, readIntegers, readMask } from './operands.ts';
import type { Options } from './options.ts';
import { readSegments } from './segments.ts';
import { MAX_CLASSES } from './vocabulary.ts';
import type { Vocabulary } from './vocabulary.ts';

/** Counted rows, and the target of each row. */
export interface Targets {
  /** Class to score per row (0 with class probabilities), NO_TARGET (all counted rows without a label) or LEFT_OUT. */
  readonly classes: Int32Array<ArrayBuffer>;
  /** Class probabilities that are the targets of the rows, instead of classes. */
  readonly probabilities: Probabilities | undefined;
  /** Mask of each row; undefined when all masks are 1. */
  readonly weights: Float64Array | undefined;
  /** Weights of the classes; undefined when all weights are 1. */
  readonly classWeights: Float64Array<ArrayBuffer> | undefined;
  /** Numbers of rows: masked rows have mask 0, ignored rows have another mask and an ignored label. */
  readonly rows: RowCounts;
  /**
   * Minimum and maximum of the labels of counted rows, absent when nothing is counted, and number of labels that are not a
   * class; undefined with class probabilities, and without a label.
   */
  readonly labels: { min?: number; max?: number; out_of_range: number } | undefined;
  /** Shape of outputs that have an entry per row. */
  readonly outputShape: Shape;
  /**
   * Length and number of the sequences along the axis before the classes. With a causal shift, only the first `kept` of the
   * `length` rows of each sequence are scored and have outputs.
   */
  readonly sequence: { length: number; kept: number; count: number };
  /** Sequences that replace the sequences along the axis; undefined without segments. */
  readonly segments?: Segments | undefined;
}

/** Sequences of different lengths that the rows fill in order. */
interface Segments {
  /** Number of rows of each sequence, including the last `shift` rows, which are left out. */
  readonly lengths: ArrayLike<number>;
  readonly shift: number;
}

/** Class probabilities, shaped like the logits. The target of the row at r is at r + shift. */
interface Probabilities {
  readonly dtype: FloatDType;
  readonly data: Uint8Array;
  readonly shift: number;
}

export interface RowCounts {
  total: number;
  counted: number;
  ignored: number;
  masked: number;
}

/** Adds the row counts of several batches. */
export function addRowCounts(counts: readonly RowCounts[]): RowCounts {
  const total: RowCounts = { total: 0, counted: 0, ignored: 0, masked: 0 };
  for (const one of counts) for (const fate of Object.keys(total) as (keyof RowCounts)[]) total[fate] += one[fate];
  return total;
}

/** Maximum number of invalid rows that an error names. */
const MAX_PLACES = 4;

/** Fields of a request that select the counted rows. */
export interface TargetFields {
  /** Undefined for rows that are not scored. */
  label: Tensor | undefined;
  inputMask: Tensor | undefined;
  weight: Tensor | undefined;
  /** Lengths of the sequences. */
  segments?: Tensor | undefined;
}

/** Options that a selection depends on. */
export type TargetOptions = Pick<Options, 'ignore_index' | 'shift' | 'semantics' | 'invalid_label'>;

/** Shard and memory accounts of a selection. */
interface TargetAccounts {
  shard?: Vocabulary;
  takeRows?: (rows: number) => void;
  takeClasses?: (classes: number) => void;
}

/**
 * Selects the counted rows: mask ≠ 0 and label not ignored. Labels are checked on counted rows only. With a shift k the
 * row at t has the label and the mask at t + k, and the last k rows of each sequence are left out. Sequences are the
 * segments, or without segments the rows along the axis before the classes.
 * @param logitsShape (…, C)
 * @param label class indices: integers of shape (…,) or (N,); or class probabilities of shape (…, C) or (N, C): see
 *   arrange
 * @param inputMask tensor of shape (…,) or (N,): bool, integers or floats, finite and not negative; 0 leaves the row
 *   out
 * @param weight floats of shape (C,), finite; negative weights only under `semantics: "torch"`
 * @param segments integers of shape (S,) whose sum is the number of rows
 * @param takeRows reserves memory for a number of rows; called before anything is allocated for the rows
 * @param takeClasses reserves memory for a number of class weights
 * @param shard position of the columns of the logits among all classes. Labels, and the classes of the result, then refer
 *   to the whole vocabulary; class probabilities and weights refer to the columns
 * @throws LossmeterError shape_mismatch, invalid_label, invalid_mask, invalid_weight
 */
export function* selectTargets(
  logitsShape: Shape,
  { label, inputMask, weight, segments: given }: TargetFields,
  options: TargetOptions,
  { shard, takeRows, takeClasses }: TargetAccounts = {},
): Steps<Targets> {
  const C = logitsShape.at(-1);
  if (C === undefined || logitsShape.length < 2 || C < 1 || C > MAX_CLASSES) {
    const detail = `logits have shape ${formatShape(logitsShape)}, expected (C,), (N, C) or (…, C) with 1 ≤ C ≤ ${MAX_CLASSES}`;
    throw refuse('shape_mismatch', '/logits/shape', detail);
  }
  const allClasses = shard?.size ?? C;
  const probabilities = label && (yield* readProbabilities(label, logitsShape, options.shift));
  const N = elementCount(logitsShape.slice(0, -1))!;
  takeRows?.(N);
  const mask = inputMask === undefined ? undefined : yield* readMask(inputMask, logitsShape);
  const weightOptions = { semantics: options.semantics, shard, takeClasses };
  const classWeights = weight === undefined ? undefined : yield* readClassWeights(weight, C, weightOptions);

  const labels = label !== undefined && probabilities === undefined ? yield* readIntegers(label) : undefined;
  const ignored = new Set([options.ignore_index].flat());
  const { shift } = options;
  const length = logitsShape.at(-2)!;
  const kept = Math.max(0, length - shift);
  const count = elementCount(logitsShape.slice(0, -2))!;
  const lengths = given && (yield* readSegments(given, { rows: N, what: 'the rows of logits' }));
  const isKept = lengths === undefined ? (row: number) => row % length < kept : keptWithin(lengths, shift);
  const classes = new Int32Array(N).fill(LEFT_OUT);
  const weights = mask === undefined || shift === 0 ? mask : new Float64Array(N);
  const rows: RowCounts = { total: 0, counted: 0, ignored: 0, masked: 0 };
  const places: ErrorPlace[] = [];
  let wrong = 0;
  let [least, greatest] = [Infinity, -Infinity];
  yield* inSteps(N, (from, to) => {
    for (let row = from; row < to; row++) {
      if (shift > 0 && !isKept(row)) continue;
      const scored = row + shift;
      const m = mask === undefined ? 1 : mask[scored]!;
      if (weights !== undefined) weights[row] = m;
      rows.total++;
      if (m === 0) {
        rows.masked++;
        continue;
      }
      // With class probabilities any valid class can stand for the target.
      const y = labels === undefined ? 0 : labels[scored]!;
      if (labels !== undefined && ignored.has(y)) {
        rows.ignored++;
        continue;
      }
      rows.counted++;
      if (label === undefined) {
        classes[row] = NO_TARGET;
        continue;
      }
      if (y < least) least = y;
      if (y > greatest) greatest = y;
      if (y >= 0 && y < allClasses) {
        classes[row] = y;
        continue;
      }
      classes[row] = NO_TARGET;
      wrong++;
      if (places.length < MAX_PLACES) places.push(wrongLabel(label, scored, y, allClasses));
    }
  });
  if (wrong > 0 && options.invalid_label === 'error') {
    const more = wrong > places.length ? `; and ${wrong - places.length} more of ${rows.total} rows` : '';
    throw new LossmeterError('invalid_label', places.map((place) => place.detail).join('; ') + more, places);
  }
  const outputShape =
    shift > 0
      ? lengths === undefined
        ? [...logitsShape.slice(0, -2), kept]
        : [rows.total]
      : label === undefined
        ? logitsShape.slice(0, -1)
        : probabilities === undefined
          ? label.shape
          : label.shape.slice(0, -1);
  // Integers beyond 2^53 are rounded: see readIntegers.
  const range = {
    ...(Number.isSafeInteger(least) && { min: least }),
    ...(Number.isSafeInteger(greatest) && { max: greatest }),
  };
  const labelFacts = labels === undefined ? undefined : { ...range, out_of_range: wrong };
  return {
    classes,
    probabilities,
    weights,
    classWeights,
    rows,
    labels: labelFacts,
    outputShape,
    sequence: {
      length,
      kept,
      count,
    },
    segments: lengths && {
      lengths,
      shift,
    },
  };
}

/** Returns a function that is false for the last `shift` rows of a segment. It must be called with ascending rows. */
function keptWithin(lengths: ArrayLike<number>, shift: number): (row: number) => boolean {
  const walk = new SequenceWalk((sequence) => lengths[sequence]!);
  return (row) => {
    walk.at(row);
    return row + shift < walk.end;
  };
}

/** Sequences of a batch. */
export function sequenceFactsOf(
  { sequence, segments }: Pick<Targets, 'sequence' | 'segments'>,
  sizes: Pick<SequenceFacts, 'bytes' | 'words'> = { bytes: undefined, words: undefined },
): SequenceFacts {
  const { lengths } = segments ?? {};
  return lengths === undefined
    ? { count: sequence.count, lengthOf: () => sequence.length, ...sizes }
    : { count: lengths.length, lengthOf: (index) => lengths[index]!, ...sizes };
}

/** Class probabilities from a label that is shaped like the logits; undefined for class indices. */
function* readProbabilities(label: Tensor, logitsShape: Shape, shift: number): Steps<Probabilities | undefined> {
  const leading = logitsShape.slice(0, -1);
  // With axes of one entry the shape (B, 1) can mean class indices or class probabilities.
  if (!isFloatDType(label.dtype) && sameShape(label.shape, leading)) return undefined;
  const flat = [elementCount(leading) ?? Number.NaN, logitsShape.at(-1)!];
  if (!sameShape(label.shape, logitsShape) && !sameShape(label.shape, flat)) return undefined;
  if (isFloatDType(label.dtype)) return { dtype: label.dtype, data: label.data, shift };
  return { dtype: 'float64', data: yield* floatsInPlace(label), shift };
}

function wrongLabel(label: Tensor, row: number, y: number, C: number): ErrorPlace {
  // Shows 64-bit labels beyond 2^53 exactly.
  const value = label.dtype === 'uint64' || label.dtype === 'int64' ? elementsOf(label)[row] : y;
  return { pointer: `/label/data/${row}`, detail: `label[${row}] is ${value}, expected a class in [0, ${C})` };
}
