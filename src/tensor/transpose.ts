import { inSteps } from '../steps.ts';
import type { Steps } from '../steps.ts';

/** Consecutive matrices of one size, each to be transposed. */
export interface Transposition {
  readonly items: number;
  readonly rows: number;
  readonly columns: number;
}

/**
 * Transposes each item.
 * @param width bytes of an element
 */
export function* transposed(bytes: Uint8Array, width: number, moved: Transposition): Steps<Uint8Array<ArrayBuffer>> {
  const result = new Uint8Array(bytes.byteLength);
  yield* inSteps(bytes.byteLength / width, (from, to) =>
    scatter(bytes.subarray(from * width, to * width), result, { ...moved, width, from }),
  );
  return result;
}

/** Position of consecutive elements within the items. */
interface Placed extends Pick<Transposition, 'rows' | 'columns'> {
  /** Bytes per element. */
  width: number;
  /** Index of the first element. */
  from: number;
}

/**
 * Copies elements to their positions in the transposed items.
 * @param items memory of all transposed items, aligned
 */
export function scatter(bytes: Uint8Array, items: Uint8Array, { rows, columns, width, from }: Placed): void {
  const source = unitsOf(bytes, width);
  const target = unitsOf(items, width);
  // Copies a float64 as two units, because a NaN that is copied as a number may change its bits.
  const units = width === 8 ? 2 : 1;
  const within = from % (rows * columns);
  let first = from - within;
  let row = Math.floor(within / columns);
  let column = within % columns;
  for (let k = 0; k < source.length; k += units) {
    const at = units * (first + column * rows + row);
    target[at] = source[k]!;
    if (units === 2) target[at + 1] = source[k + 1]!;
    if (++column < columns) continue;
    column = 0;
    if (++row < rows) continue;
    row = 0;
    first += rows * columns;
  }
}

/**
 * A view of elements of up to four bytes, or of the halves of eight-byte elements. Bytes that are not aligned are copied.
 */
function unitsOf(bytes: Uint8Array, width: number): Uint8Array | Uint16Array | Uint32Array {
  const size = Math.min(4, width) as 1 | 2 | 4;
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes);
  const View = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array }[size];
  return new View(buffer as ArrayBuffer, byteOffset, byteLength / size);
}
