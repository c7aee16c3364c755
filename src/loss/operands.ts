/** Reads masks, class weights and labels from their tensors. */
import { refuse } from '../errors.ts';
import { placeIn } from '../suggestion.ts';
import type { ErrorCode } from '../errors.ts';
import { inSteps } from '../steps.ts';
import type { Steps } from '../steps.ts';
import { isFloatDType } from '../tensor/dtype.ts';
import type { DType } from '../tensor/dtype.ts';
import { elementCount, formatShape, sameShape } from '../tensor/shape.ts';
import type { Shape } from '../tensor/shape.ts';
import { elementsOf, numbersOf, partOf } from '../tensor/tensor.ts';
import type { ElementsOf, Tensor } from '../tensor/tensor.ts';
import type { Options } from './options.ts';
import type { Vocabulary } from './vocabulary.ts';

/** Refuses a tensor that does not have one element per row of logits. */
function requireRows(name: string, tensor: Tensor, logitsShape: Shape): void {
  const leading = logitsShape.slice(0, -1);
  const flat = [elementCount(leading) ?? Number.NaN];
  if (sameShape(tensor.shape, leading) || sameShape(tensor.shape, flat)) return;
  const expected = [...new Set([formatShape(leading), formatShape(flat)])].join(' or ');
  const detail = `${name} has shape ${formatShape(tensor.shape)}, but logits of shape ${formatShape(logitsShape)} expect ${expected}`;
  throw refuse('shape_mismatch', placeIn(name, 'shape'), detail);
}

/** @throws LossmeterError shape_mismatch, invalid_mask */
export function* readMask(mask: Tensor, logitsShape: Shape): Steps<Float64Array<ArrayBuffer>> {
  requireRows('input_mask', mask, logitsShape);
  return yield* readWeights(mask, MASK, { start: 0, count: elementCount(mask.shape)! });
}

/**
 * @param shard shard of the vocabulary whose columns are the C classes; weights of the whole vocabulary are cut to them
 * @param takeClasses reserves memory for a number of weights; called before they are allocated
 * @throws LossmeterError shape_mismatch, invalid_weight
 */
export function* readClassWeights(
  weight: Tensor,
  C: number,
  {
    semantics,
    shard,
    takeClasses,
  }: {
    semantics: Options['semantics'];
    shard: Vocabulary | undefined;
    takeClasses: ((classes: number) => void) | undefined;
  },
): Steps<Float64Array<ArrayBuffer>> {
  const isOfAll = shard !== undefined && sameShape(weight.shape, [shard.size]);
  if (!isOfAll && !sameShape(weight.shape, [C])) {
    const ofAll = shard === undefined ? '' : ` or ${formatShape([shard.size])}`;
    const detail = `weight has shape ${formatShape(weight.shape)}, but logits of ${C} classes expect ${formatShape([C])}${ofAll}`;
    throw refuse('shape_mismatch', '/weight/shape', detail);
  }
  takeClasses?.(C);
  const kept = { start: isOfAll ? shard.start : 0, count: C };
  return yield* readWeights(weight, classWeightRule(semantics), kept);
}

/** True for a valid mask of a row. */
export const isMask = (m: number): boolean => m >= 0 && m < Infinity;

/**
 * True for a valid weight of a class. `torch` allows negative weights; the denominators of the other profiles need
 * weights ≥ 0.
 */
export function isClassWeight(semantics: Options['semantics']): (weight: number) => boolean {
  return semantics === 'torch' ? Number.isFinite : isMask;
}

/** Description of the numbers that isMask accepts. */
export const NOT_NEGATIVE = 'a finite number that is not negative and, as an integer, at most 2^53 − 1';
const FINITE = 'a finite number and, as an integer, one in ±(2^53 − 1)';

/** Valid numbers of a tensor, and their description for the error. */
export interface WeightRule {
  name: string;
  code: ErrorCode;
  isWeight: (value: number) => boolean;
  expected: string;
}

const MASK: WeightRule = { name: 'input_mask', code: 'invalid_mask', isWeight: isMask, expected: NOT_NEGATIVE };

function classWeightRule(semantics: Options['semantics']): WeightRule {
  const expected =
    semantics === 'torch' ? FINITE : `${NOT_NEGATIVE}; \`semantics: "torch"\` takes negative class weights`;
  return { name: 'weight', code: 'invalid_weight', isWeight: isClassWeight(semantics), expected };
}

/**
 * Reads elements as float64, and checks all of them.
 * @param kept range of elements to return
 * @throws LossmeterError when an element breaks the rule
 */
export function* readWeights(
  tensor: Tensor,
  { name, code, isWeight, expected }: WeightRule,
  kept: { start: number; count: number },
): Steps<Float64Array<ArrayBuffer>> {
  const most = isFloatDType(tensor.dtype) ? Number.MAX_VALUE : Number.MAX_SAFE_INTEGER;
  const weights = new Float64Array(kept.count);
  const end = kept.start + kept.count;
  yield* inSteps(elementCount(tensor.shape)!, (from, to) => {
    const part = partOf(tensor, from, to);
    requireBooleans(name, part, from);
    const values = numbersOf(part);
    const place = values.findIndex((weight) => !isWeight(weight) || Math.abs(weight) > most);
    if (place >= 0) {
      const shown = isFloatDType(tensor.dtype) ? values[place] : String(elementsOf(part)[place]);
      const at = from + place;
      throw refuse(code, placeIn(name, 'data', at), `${name}[${at}] is ${shown}, expected ${expected}`);
    }
    const first = Math.max(from, kept.start);
    if (first < Math.min(to, end)) weights.set(values.subarray(first - from, end - from), first - kept.start);
  });
  return weights;
}

/** @param first index of the part's first element @throws LossmeterError invalid_tensor */
function requireBooleans(name: string, { dtype, data }: Tensor, first: number): void {
  if (dtype !== 'bool') return;
  const index = data.findIndex((byte) => byte > 1);
  if (index < 0) return;
  const at = first + index;
  const detail = `byte ${at} of ${name}.data is ${data[index]}, expected 0 or 1 for bool`;
  throw refuse('invalid_tensor', placeIn(name, 'data', at), detail);
}

/**
 * Class indices as numbers. A 64-bit value beyond 2^53 is rounded to another value beyond 2^53. Neither is a class or
 * an `ignore_index`, so the rounding has no effect on the loss.
 */
export function* readIntegers(label: Tensor): Steps<ArrayLike<number>> {
  const { dtype } = label;
  if (dtype !== 'int64' && dtype !== 'uint64') {
    const elements = elementsOf(label) as Exclude<ElementsOf<DType>, BigInt64Array | BigUint64Array>;
    if (dtype === 'bool')
      yield* inSteps(elements.length, (from, to) => requireBooleans('label', partOf(label, from, to), from));
    return elements;
  }
  const integers = new Float64Array(elementCount(label.shape)!);
  yield* inSteps(integers.length, (from, to) => {
    readWide(partOf(label, from, to), integers.subarray(from, to));
  });
  return integers;
}

/** Converts 64-bit integers in place to float64 values that are rounded to float32. */
export function* floatsInPlace(label: Tensor): Steps<Uint8Array> {
  const floats = new Float64Array(label.data.buffer as ArrayBuffer, label.data.byteOffset, elementCount(label.shape));
  yield* inSteps(floats.length, (from, to) => {
    const part = floats.subarray(from, to);
    readWide(partOf(label, from, to), part);
    part.set(Float32Array.from(part));
  });
  return label.data;
}

/** Reads 64-bit integers as numbers. `numbers` may share the memory of `label`. */
function readWide(label: Tensor, numbers: Float64Array): void {
  const { buffer, byteOffset } = elementsOf(label);
  // Reads the two halves: reading a 64-bit element would allocate a BigInt.
  const halves = new Int32Array(buffer, byteOffset, 2 * numbers.length);
  const isSigned = label.dtype === 'int64';
  for (let k = 0; k < numbers.length; k++) {
    const low = halves[2 * k]! >>> 0;
    const high = halves[2 * k + 1]!;
    numbers[k] = (isSigned ? high : high >>> 0) * 2 ** 32 + low;
  }
}
