/** Reads the tensors of a request that say how rows and classes count. */
import { refuse } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import { isFloatDType } from '../tensor/dtype.ts';
import { elementCount, formatShape, sameShape } from '../tensor/shape.ts';
import type { Shape } from '../tensor/shape.ts';
import { elementsOf, numbersOf } from '../tensor/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';
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
  return readWeights('input_mask', 'invalid_mask', mask);
}

/**
 * @param shard of which C classes are a part: weights of the whole vocabulary are cut to them
 * @throws LossmeterError shape_mismatch, invalid_weight
 */
export function readClassWeights(weight: Tensor, C: number, shard?: Vocabulary): Float64Array<ArrayBuffer> {
  if (sameShape(weight.shape, [C])) return readWeights('weight', 'invalid_weight', weight);
  if (shard !== undefined && sameShape(weight.shape, [shard.size])) {
    return readWeights('weight', 'invalid_weight', weight).slice(shard.start, shard.start + C);
  }
  const ofAll = shard === undefined ? '' : ` or ${formatShape([shard.size])}`;
  const detail = `weight has shape ${formatShape(weight.shape)}, but logits of ${C} classes expect ${formatShape([C])}${ofAll}`;
  throw refuse('shape_mismatch', '/weight/shape', detail);
}

/** The elements as float64. @throws LossmeterError when one is negative or not finite */
function readWeights(name: string, code: ErrorCode, tensor: Tensor): Float64Array<ArrayBuffer> {
  const weights = numbersOf(tensor);
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
