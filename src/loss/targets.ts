import { LEFT_OUT, NO_TARGET } from '../../kernels/loader.ts';
import { LossmeterError, refuse } from '../errors.ts';
import type { ErrorPlace } from '../errors.ts';
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
  /** Rows by fate: masked are those with mask 0, ignored those whose mask is not 0 and whose label is ignored. */
  readonly rows: RowCounts;
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

/**
 * Selects the counted rows: mask ≠ 0 and label not ignored. Labels are checked on counted rows only.
 * @param logitsShape (…, C)
 * @param label integers of shape (…,) or (N,)
 * @param inputMask of shape (…,) or (N,): bool, integers or floats, finite and not negative; 0 leaves the row out
 * @throws LossmeterError shape_mismatch, invalid_label, invalid_mask
 */
export function selectTargets(
  logitsShape: Shape,
  label: Tensor,
  inputMask: Tensor | undefined,
  options: Options,
): Targets {
  const C = logitsShape.at(-1);
  if (C === undefined || logitsShape.length < 2 || C < 1 || C > MAX_CLASSES) {
    const detail = `logits have shape ${formatShape(logitsShape)}, expected (N, C) or (…, C) with 1 ≤ C ≤ ${MAX_CLASSES}`;
    throw refuse('shape_mismatch', '/logits/shape', detail);
  }
  requireRows('label', label, logitsShape);
  if (isFloatDType(label.dtype)) {
    const detail =
      `label is ${label.dtype} of shape ${formatShape(label.shape)}: class indices are integers ` +
      '(int8 … uint64); floats would be class probabilities shaped like logits';
    throw refuse('invalid_label', '/label', detail);
  }
  const weights = inputMask === undefined ? undefined : readMask(inputMask, logitsShape);

  const labels = readIntegers(label);
  const ignored = new Set([options.ignore_index].flat());
  const N = labels.length;
  const classes = new Int32Array(N);
  const rows: RowCounts = { total: N, counted: 0, ignored: 0, masked: 0 };
  const places: ErrorPlace[] = [];
  let wrong = 0;
  for (let row = 0; row < N; row++) {
    const y = labels[row]!;
    if (weights !== undefined && weights[row] === 0) {
      classes[row] = LEFT_OUT;
      rows.masked++;
    } else if (ignored.has(y)) {
      classes[row] = LEFT_OUT;
      rows.ignored++;
    } else {
      rows.counted++;
      if (y >= 0 && y < C) {
        classes[row] = y;
      } else {
        classes[row] = NO_TARGET;
        wrong++;
        if (places.length < MAX_PLACES) {
          const value = label.dtype === 'uint64' || label.dtype === 'int64' ? elementsOf(label)[row] : y;
          places.push({
            pointer: `/label/data/${row}`,
            detail: `label[${row}] is ${value}, expected a class in [0, ${C})`,
          });
        }
      }
    }
  }
  if (wrong > 0 && options.invalid_label === 'error') {
    const more = wrong > places.length ? `; and ${wrong - places.length} more of ${N} rows` : '';
    throw new LossmeterError('invalid_label', places.map((place) => place.detail).join('; ') + more, places);
  }
  return { classes, weights, rows };
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

function readMask(mask: Tensor, logitsShape: Shape): Float64Array {
  requireRows('input_mask', mask, logitsShape);
  const weights =
    mask.dtype === 'bfloat16'
      ? Float64Array.from(elementsOf(mask as Tensor<'bfloat16'>), fromBfloat16)
      : Float64Array.from(elementsOf(mask), Number);
  const row = weights.findIndex((m) => !(m >= 0 && m < Infinity));
  if (row >= 0) {
    const detail = `input_mask[${row}] is ${weights[row]}, expected a finite number that is not negative`;
    throw refuse('invalid_mask', `/input_mask/data/${row}`, detail);
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
