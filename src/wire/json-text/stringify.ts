import { DTYPE_BYTES } from '../../tensor/dtype.ts';
import { numbersOf } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { ReplyParts } from '../reply.ts';

declare global {
  interface JSON {
    /** Text that stringify copies as it is (ECMAScript 2026); TypeScript's library lacks it. */
    rawJSON: (text: string) => unknown;
  }
}

/** Elements of a tensor that become text at a time: a large output is never text as a whole. */
const ELEMENTS_PER_PART = 16_384;

/** Texts in parts of some length; an array when there is one part only. */
export function joinTexts(pieces: Iterable<string>): ReplyParts {
  const parts = joined(pieces);
  const first = parts.next();
  const second = parts.next();
  if (second.done === true) return [first.value ?? ''];
  return (function* all() {
    yield first.value as string;
    yield second.value;
    yield* parts;
  })();
}

/** Texts of some length. */
function* joined(pieces: Iterable<string>): Generator<string, undefined> {
  let text = '';
  for (const piece of pieces) {
    text += piece;
    if (text.length < ELEMENTS_PER_PART) continue;
    yield text;
    text = '';
  }
  if (text.length > 0) yield text;
  return undefined;
}

/** Elements of a tensor as the inside of a JSON array, without brackets. */
export function* elements({ dtype, data }: Tensor): Generator<string> {
  const step = ELEMENTS_PER_PART * DTYPE_BYTES[dtype];
  for (let at = 0; at < data.byteLength; at += step) {
    const numbers = numbersOf({ dtype, shape: [], data: data.subarray(at, at + step) });
    yield (at === 0 ? '' : ',') + stringify(Array.from(numbers)).slice(1, -1);
  }
}

/**
 * JSON with the fewest digits from which a float64 parser makes the same numbers, and strings for NaN and the infinities.
 * Whole numbers beyond 2^53 have an exponent: their digits alone are another number to a parser that has integers.
 */
export function stringify(value: unknown): string {
  // A replacer is called for every value, which takes most of the time where it is not needed.
  return hasPlainNumbers(value) ? JSON.stringify(value) : JSON.stringify(value, replaceNumber);
}

function isPlain(value: number): boolean {
  return Math.abs(value) <= Number.MAX_SAFE_INTEGER;
}

function hasPlainNumbers(value: unknown): boolean {
  if (typeof value === 'number') return isPlain(value);
  if (typeof value !== 'object' || value === null) return true;
  if (Array.isArray(value)) return value.every(hasPlainNumbers);
  for (const name in value) if (!hasPlainNumbers((value as Record<string, unknown>)[name])) return false;
  return true;
}

function replaceNumber(_name: string, value: unknown): unknown {
  if (typeof value !== 'number' || isPlain(value)) return value;
  return Number.isFinite(value) ? JSON.rawJSON(numberText(value)) : String(value);
}

/** Text of a number: JSON where JSON can represent it. */
export function numberText(value: number): string {
  return isPlain(value) || !Number.isFinite(value) ? String(value) : value.toExponential();
}
