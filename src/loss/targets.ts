import { LEFT_OUT, NO_TARGET } from '../../kernels/loader.ts';
import { LossmeterError, refuse } from '../errors.ts';
import type { ErrorCode, ErrorPlace } from '../errors.ts';
import { isFloatDType } from '../tensor/dtype.ts';
import { elementCount, formatShape, sameShape } from '../tensor/shape.ts';
import type { Shape } from '../tensor/shape.ts';
import { elementsOf, fromBfloat16 } from '../tensor/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Options } from './options.ts';

/** Which rows count, and what each is scored against. */
export interface Targets {
  /** Per row the class to score, NO_TARGET or LEFT_OUT: what the kernels take. */
  readonly classes: Int32Array<ArrayBuffer>;
  /** Mask of each row; undefined when all are 1. */
  readonly weights: Float64Array | undefined;
  /** Weights of the classes; undefined when all are 1. */
  readonly classWeights: Float64Array<ArrayBuffer> | undefined;
  /** Rows by fate: masked are those with mask 0, ignored those whose mask is not 0 and whose label is ignored. */
  readonly rows: RowCounts;
  /** Shape of outputs that have an entry per row. */
  readonly outputShape: Shape;
  /** The causal shift: of each sequence of `length` rows only the first `kept` are scored, and have outputs. */
  readonly sequence: { length: number; kept: number };
}

export interface RowCounts {
  total: number;
  counted: number;
  ignored: number;
  masked: number;
}

/** How many wrong rows an error names. */
const MAX_PLACES = 4;

/** The largest class index a kernel can take. */
const MAX_CLASSES = 2 ** 31 - 1;

/** The fields of a request that say which rows count. */
export interface TargetFields {
  label: Tensor;
  inputMask: Tensor | undefined;
  weight: Tensor | undefined;
}

/**
 * Selects the counted rows: mask ≠ 0 and label not ignored. Labels are checked on counted rows only. With a shift k the
 * row at t has the label and the mask at t + k, and the last k rows of a sequence are left out.
 * @param logitsShape (…, C)
 * @param label integers of shape (…,) or (N,)
 * @param inputMask of shape (…,) or (N,): bool, integers or floats, finite and not negative; 0 leaves the row out
 * @param weight floats of shape (C,), finite and not negative
 * @throws LossmeterError shape_mismatch, invalid_label, invalid_mask, invalid_weight
 */
export function selectTargets(
  logitsShape: Shape,
  { label, inputMask, weight }: TargetFields,
  options: Options,
): Targets {
  const C = logitsShape.at(-1);
  if (C === undefined || logitsShape.length < 2 || C < 1 || C > MAX_CLASSES) {
    const detail = `logits have shape ${formatShape(logitsShape)}, expected (N, C) or (…, C) with 1 ≤ C ≤ ${MAX_CLASSES}`;
    throw refuse('shape_mismatch', '/logits/shape', detail);
  }
  if (isFloatDType(label.dtype)) {
    const detail =
      `label is ${label.dtype} of shape ${formatShape(label.shape)}: class indices are integers (int8 … uint64); ` +
      'floats would be class probabilities shaped like logits, which are not supported yet';
    throw refuse('invalid_label', '/label', detail);
  }
  requireRows('label', label, logitsShape);
  const mask = inputMask === undefined ? undefined : readMask(inputMask, logitsShape);
  const classWeights = weight === undefined ? undefined : readClassWeights(weight, C);

  const labels = readIntegers(label);
  const ignored = new Set([options.ignore_index].flat());
  const N = labels.length;
  const { shift } = options;
  const length = logitsShape.at(-2)!;
  const kept = Math.max(0, length - shift);
  const classes = new Int32Array(N).fill(LEFT_OUT);
  const weights = mask === undefined || shift === 0 ? mask : new Float64Array(N);
  const rows: RowCounts = { total: 0, counted: 0, ignored: 0, masked: 0 };
  const places: ErrorPlace[] = [];
  let wrong = 0;
  for (let row = 0; row < N; row++) {
    if (shift > 0 && row % length >= kept) continue;
    const scored = row + shift;
    const y = labels[scored]!;
    const m = mask === undefined ? 1 : mask[scored]!;
    if (weights !== undefined) weights[row] = m;
    rows.total++;
    if (m === 0) {
      rows.masked++;
    } else if (ignored.has(y)) {
      rows.ignored++;
    } else {
      rows.counted++;
      if (y >= 0 && y < C) {
        classes[row] = y;
        continue;
      }
      classes[row] = NO_TARGET;
      wrong++;
      if (places.length < MAX_PLACES) places.push(wrongLabel(label, scored, y, C));
    }
  }
  if (wrong > 0 && options.invalid_label === 'error') {
    const more = wrong > places.length ? `; and ${wrong - places.length} more of ${rows.total} rows` : '';
    throw new LossmeterError('invalid_label', places.map((place) => place.detail).join('; ') + more, places);
  }
  const outputShape = shift === 0 ? label.shape : [...logitsShape.slice(0, -2), kept];
  return { classes, weights, classWeights, rows, outputShape, sequence: { length, kept } };
}

function wrongLabel(label: Tensor, row: number, y: number, C: number): ErrorPlace {
  // 64-bit labels beyond 2^53 are shown exactly.
  const value = label.dtype === 'uint64' || label.dtype === 'int64' ? elementsOf(label)[row] : y;
  return { pointer: `/label/data/${row}`, detail: `label[${row}] is ${value}, expected a class in [0, ${C})` };
}

/** Refuses a tensor that does not have one element per row of logits. */
function requireRows(name: string, tensor: Tensor, logitsShape: Shape): void {
  const leading = logitsShape.slice(0, -1);
  const flat = [elementCount(leading) ?? Number.NaN];
  if (sameShape(tensor.shape, leading) || sameShape(tensor.shape, flat)) return;
  const expected = [...new Set([formatShape(leading), formatShape(flat)])].join(' or ');
  const detail = `${name} has shape ${formatShape(tensor.shape)}, but logits of shape ${formatShape(logitsShape)} expect ${expected}`;
  throw refuse('shape_mismatch', `/${name}/shape`, detail);
}

function readMask(mask: Tensor, logitsShape: Shape): Float64Array<ArrayBuffer> {
  requireRows('input_mask', mask, logitsShape);
  return readWeights('input_mask', 'invalid_mask', mask);
}

function readClassWeights(weight: Tensor, C: number): Float64Array<ArrayBuffer> {
  if (!sameShape(weight.shape, [C])) {
    const detail = `weight has shape ${formatShape(weight.shape)}, but logits of ${C} classes expect ${formatShape([C])}`;
    throw refuse('shape_mismatch', '/weight/shape', detail);
  }
  return readWeights('weight', 'invalid_weight', weight);
}

/** The elements as float64. @throws LossmeterError when one is negative or not finite */
function readWeights(name: string, code: ErrorCode, tensor: Tensor): Float64Array<ArrayBuffer> {
  const weights =
    tensor.dtype === 'bfloat16'
      ? Float64Array.from(elementsOf(tensor as Tensor<'bfloat16'>), fromBfloat16)
      : Float64Array.from(elementsOf(tensor), Number);
  const isInteger = !isFloatDType(tensor.dtype);
  const place = weights.findIndex((m) => !(m >= 0 && m < Infinity) || (isInteger && m > Number.MAX_SAFE_INTEGER));
  if (place >= 0) {
    const value = String(elementsOf(tensor)[place]);
    const shown = tensor.dtype === 'bfloat16' ? weights[place] : value;
    const detail = `${name}[${place}] is ${shown}, expected a finite number that is not negative and, as an integer, at most 2^53 − 1`;
    throw refuse(code, `/${name}/data/${place}`, detail);
  }
  return weights;
}

/**
 * Class indices as float64. 64-bit values beyond 2^53 become one beyond 2^53 too, which is no class and no
 * `ignore_index`, so their rounding never shows.
 */
function readIntegers(label: Tensor): ArrayLike<number> {
  const elements = elementsOf(label);
  if (!(elements instanceof BigInt64Array || elements instanceof BigUint64Array)) return elements;
  // By halves: reading 64-bit elements one by one would make a BigInt of each.
  const halves = new Int32Array(elements.buffer, elements.byteOffset, elements.length * 2);
  const signed = elements instanceof BigInt64Array;
  return Float64Array.from({ length: elements.length }, (_, k) => {
    const high = halves[2 * k + 1]!;
    return (signed ? high : high >>> 0) * 2 ** 32 + (halves[2 * k]! >>> 0);
  });
}
