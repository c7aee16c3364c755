/**
 * JSON text that keeps every bit: numbers that JSON cannot represent, and typed arrays, are objects of one key that begins
 * with a dollar sign. Other numbers have the shortest digits that restore them.
 */

type Column = Float64Array | Int32Array | Uint8Array;

/** Types of arrays by their keys. The elements are little-endian, in base64. */
const ARRAYS = { $float64: Float64Array, $int32: Int32Array, $bytes: Uint8Array } as const;

const ARRAY_ENTRIES = Object.entries(ARRAYS) as [keyof typeof ARRAYS, (typeof ARRAYS)[keyof typeof ARRAYS]][];

const NUMBER = '$number';

export function stringifyExact(value: unknown): string {
  return JSON.stringify(value, replaced);
}

/** @throws SyntaxError */
export function parseExact(text: string): unknown {
  return JSON.parse(text, revived) as unknown;
}

function replaced(_key: string, value: unknown): unknown {
  if (typeof value === 'number') {
    if (Object.is(value, -0)) return { [NUMBER]: '-0' };
    return Number.isFinite(value) ? value : { [NUMBER]: String(value) };
  }
  const array = ARRAY_ENTRIES.find(([, type]) => value instanceof type);
  if (array === undefined) return value;
  const { buffer, byteOffset, byteLength } = value as Column;
  return { [array[0]]: Buffer.from(buffer, byteOffset, byteLength).toString('base64') };
}

function revived(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const [[key, inner] = [], ...others] = Object.entries(value) as [string, unknown][];
  if (key === undefined || others.length > 0 || typeof inner !== 'string' || !key.startsWith('$')) return value;
  if (key === NUMBER) return Number(inner);
  const array = ARRAY_ENTRIES.find(([name]) => name === key);
  if (array === undefined) throw new SyntaxError(`${key} is not known`);
  // A copy is aligned for the element type.
  const bytes = Uint8Array.from(Buffer.from(inner, 'base64'));
  return new array[1](bytes.buffer);
}
