/** Reads the tensors of a request that say how rows and classes count. */
import { refuse } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import { isFloatDType } from '../tensor/dtype.ts';
import { elementCount, formatShape, sameShape } from '../tensor/shape.ts';
import type { Shape } from '../tensor/shape.ts';
import { elementsOf, numbersOf } from '../tensor/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Options } from './options.ts';
import type { Vocabulary } from './vocabulary.ts';

/** Refuses a tensor that does not have one element per row of logits. */
export function requireRows(name: string, tensor: Tensor, logitsShape: Shape): void {
  const leading = logitsShape.slice(0, -1);
  const flat = [elementCount(leading) ?? Number.NaN];
  if (sameShape(tensor.shape, leading) || sameShape(tensor.shape, flat)) return;
  const expected = [...new Set([formatShape(leading), formatShape(flat)])].join(' or ');
  const detail = `${name} has shape ${formatShape(tensor.shape)}, but logits of shape ${formatShape(logitsShape)} expect ${expected}`;
  throw refuse('shape_mismatch', `/${name}/shape`, detail);
}

/** @throws LossmeterError shape_mismatch, invalid_mask */
export function readMask(mask: Tensor, logitsShape: Shape): Float64Array<ArrayBuffer> {
  requireRows('input_mask', mask, logitsShape);
  return readWeights(mask, MASK);
}

/**
 * @param shard of which C classes are a part: weights of the whole vocabulary are cut to them
 * @throws LossmeterError shape_mismatch, invalid_weight
 */
export function readClassWeights(
  weight: Tensor,
  C: number,
  { semantics, shard }: { semantics: Options['semantics']; shard: Vocabulary | undefined },
): Float64Array<ArrayBuffer> {
  const rule = classWeightRule(semantics);
  if (sameShape(weight.shape, [C])) return readWeights(weight, rule);
  if (shard !== undefined && sameShape(weight.shape, [shard.size])) {
    return readWeights(weight, rule).slice(shard.start, shard.start + C);
  }
  const ofAll = shard === undefined ? '' : ` or ${formatShape([shard.size])}`;
  const detail = `weight has shape ${formatShape(weight.shape)}, but logits of ${C} classes expect ${formatShape([C])}${ofAll}`;
  throw refuse('shape_mismatch', '/weight/shape', detail);
}

/** Whether a number may be the mask of a row. */
export const isMask = (m: number): boolean => m >= 0 && m < Infinity;

/** Whether a number may be the weight of a class. The denominators of the profiles but `torch` are made for weights ≥ 0. */
export function isClassWeight(semantics: Options['semantics']): (weight: number) => boolean {
  return semantics === 'torch' ? Number.isFinite : isMask;
}

const NOT_NEGATIVE = 'a finite number that is not negative and, as an integer, at most 2^53 − 1';
const FINITE = 'a finite number and, as an integer, one in ±(2^53 − 1)';

/** Numbers that a tensor may hold, and what is said of others. */
interface WeightRule {
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

/** The elements as float64. @throws LossmeterError when one breaks the rule */
function readWeights(tensor: Tensor, { name, code, isWeight, expected }: WeightRule): Float64Array<ArrayBuffer> {
  const weights = numbersOf(tensor);
  const isInteger = !isFloatDType(tensor.dtype);
  const isExact = (weight: number): boolean => !isInteger || Math.abs(weight) <= Number.MAX_SAFE_INTEGER;
  const place = weights.findIndex((weight) => !isWeight(weight) || !isExact(weight));
  if (place >= 0) {
    const shown = tensor.dtype === 'bfloat16' ? weights[place] : String(elementsOf(tensor)[place]);
    throw refuse(code, `/${name}/data/${place}`, `${name}[${place}] is ${shown}, expected ${expected}`);
  }
  return weights;
}

/**
 * Class indices as float64. 64-bit values beyond 2^53 become one beyond 2^53 too, which is no class and no
 * `ignore_index`, so their rounding does not show where it is known that a value may be one of them.
 */
export function readIntegers(label: Tensor): ArrayLike<number> {
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
