import { DTYPE_BYTES } from '../../tensor/dtype.ts';
import { numbersOf } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { ReplyParts } from '../reply.ts';

declare global {
  interface JSON {
    /** Makes a value that JSON.stringify copies unchanged (ECMAScript 2026). TypeScript's library lacks it. */
    rawJSON: (text: string) => unknown;
  }
}

/** Number of elements of a tensor that become text at a time, so that a large output is never one text. */
const ELEMENTS_PER_PART = 16_384;

/** Joins texts to parts of at least ELEMENTS_PER_PART characters. Returns an array if there is only one part. */
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

/** Joins texts to longer texts. */
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

/** Elements of a tensor as the content of a JSON array, without brackets. */
export function* elements({ dtype, data }: Tensor): Generator<string> {
  const step = ELEMENTS_PER_PART * DTYPE_BYTES[dtype];
  for (let at = 0; at < data.byteLength; at += step) {
    const numbers = numbersOf({ dtype, shape: [], data: data.subarray(at, at + step) });
    yield (at === 0 ? '' : ',') + stringify(Array.from(numbers)).slice(1, -1);
  }
}

/**
 * Encodes JSON with the fewest digits that a float64 parser reads back as the same numbers, and strings for NaN and the
 * infinities. Integers beyond 2^53 have an exponent: without one, a parser with integers would read a different number.
 */
export function stringify(value: unknown): string {
  // A replacer is called for every value, which would take most of the time.
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

/** Text of a number: JSON if it is finite. */
export function numberText(value: number): string {
  return isPlain(value) || !Number.isFinite(value) ? String(value) : value.toExponential();
}
