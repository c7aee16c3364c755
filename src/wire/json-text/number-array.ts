import { LossmeterError } from '../../errors.ts';
import { MAX_RANK } from '../../tensor/shape.ts';
import { NON_FINITE } from '../non-finite.ts';

/** Numbers of the longest piece. Pieces grow by doubling from FIRST_PIECE, so that a short array takes little memory. */
const LONGEST_PIECE = 65_536;
const FIRST_PIECE = 4;

/** Piece of an array before its first number. */
const NO_NUMBERS = new Float64Array(0);

/** Residue of an entry that is not an integer beyond 2^53. */
const NO_RESIDUE = -(2 ** 15);

/** Entry that is not a number. */
interface Fault {
  readonly index: number;
  readonly value: unknown;
}

/**
 * Nested array of numbers that is read from a text. Its numbers take 8 bytes each, without a JavaScript value per number.
 * Booleans are 0 and 1. 64-bit integers are exact. The strings "NaN", "Infinity" and "-Infinity" are numbers too.
 */
export class NumberArray {
  readonly #pieces: Float64Array<ArrayBuffer>[] = [];
  #piece = NO_NUMBERS;
  /** Residues by index of their piece: an integer beyond 2^53 minus its float64. Only pieces with such integers have some. */
  readonly #residues = new Map<number, Int16Array>();
  #filled = 0;
  #length = 0;
  /** Lengths along the first entries, outermost first. */
  readonly #shape: (number | undefined)[] = [];
  /** Number of entries so far of the open arrays, outermost first. */
  readonly #open: number[] = [];
  #isRagged = false;
  #fault: Fault | undefined;
  #nulls = 0;
  #firstNull: number | undefined;

  /** Total number of entries. */
  get length(): number {
    return this.#length;
  }

  /** True if arrays on one axis differ in length, or entries in depth. */
  get isRagged(): boolean {
    return this.#isRagged;
  }

  /** First entry that is not a number. */
  get fault(): Fault | undefined {
    return this.#fault;
  }

  /** Number of entries that are null. */
  get nulls(): number {
    return this.#nulls;
  }

  /** Index of the first null. */
  get firstNull(): number | undefined {
    return this.#firstNull;
  }

  get shape(): number[] {
    return this.#shape.map((length) => length ?? 0);
  }

  /** Numbers in order, in runs: one per piece. */
  *runs(): Generator<Float64Array> {
    yield* this.#pieces;
    yield this.#piece.subarray(0, this.#filled);
  }

  /** Frees the numbers after their last use. */
  free(): void {
    for (const piece of this.#pieces) piece.buffer.transfer(0);
    if (this.#piece !== NO_NUMBERS) this.#piece.buffer.transfer(0);
    this.#pieces.length = 0;
    this.#residues.clear();
  }

  /** Begins an array. @throws LossmeterError invalid_tensor for more than MAX_RANK axes */
  openArray(): void {
    if (this.#open.length === MAX_RANK) {
      throw new LossmeterError('invalid_tensor', `an array is nested deeper than ${MAX_RANK} axes`);
    }
    if (this.#open.length > 0) this.#open[this.#open.length - 1]!++;
    // A new axis is ragged if numbers came before it, or if an earlier array at this depth was empty.
    const isNew = this.#shape.length === this.#open.length;
    if (isNew && (this.#length > 0 || this.#shape.includes(0))) this.#isRagged = true;
    if (isNew) this.#shape.push(undefined);
    this.#open.push(0);
  }

  /** Ends the innermost open array. @returns true for the outermost array */
  closeArray(): boolean {
    const length = this.#open.pop()!;
    const axis = this.#open.length;
    this.#shape[axis] ??= length;
    if (this.#shape[axis] !== length) this.#isRagged = true;
    return axis === 0;
  }

  push(value: number): void {
    if (this.#open.length !== this.#shape.length) this.#isRagged = true;
    this.#open[this.#open.length - 1]!++;
    if (this.#filled === this.#piece.length) this.#nextPiece();
    this.#piece[this.#filled++] = value;
    this.#length++;
  }

  /** Adds an integer beyond 2^53, which a float64 may not represent exactly. */
  pushInteger(integer: bigint): void {
    const value = Number(integer);
    this.push(value);
    const residue = Number(integer - BigInt(value));
    // The integer has more than 64 bits. Every integer dtype refuses it, so its exact value is not needed.
    if (Math.abs(residue) >= -NO_RESIDUE) return;
    const place = this.#pieces.length;
    let residues = this.#residues.get(place);
    if (residues === undefined) {
      residues = new Int16Array(this.#piece.length).fill(NO_RESIDUE);
      this.#residues.set(place, residues);
    }
    residues[this.#filled - 1] = residue;
  }

  /**
   * Returns the exact integer of an entry that was added by pushInteger; otherwise undefined.
   * @param run index of the run
   * @param k index in the run
   */
  integerAt(run: number, k: number): bigint | undefined {
    const residue = this.#residues.get(run)?.[k] ?? NO_RESIDUE;
    if (residue === NO_RESIDUE) return undefined;
    return BigInt((this.#pieces[run] ?? this.#piece)[k]!) + BigInt(residue);
  }

  /** Adds a null as NaN: some JSON encoders write NaN as null. */
  pushNull(): void {
    this.#nulls++;
    this.#firstNull ??= this.#length;
    this.push(Number.NaN);
  }

  /** Adds an entry that is not a number, as NaN. */
  pushFault(value: unknown): void {
    this.#fault ??= { index: this.#length, value };
    this.push(Number.NaN);
  }

  #nextPiece(): void {
    if (this.#piece !== NO_NUMBERS) this.#pieces.push(this.#piece);
    this.#piece = new Float64Array(Math.min(LONGEST_PIECE, Math.max(FIRST_PIECE, 2 * this.#piece.length)));
    this.#filled = 0;
  }
}

/**
 * Collects the numbers of a decoded array.
 * @returns undefined if the array contains a bigint, which a float64 may not represent exactly
 * @throws LossmeterError invalid_tensor for more than MAX_RANK axes
 */
export function numbersFrom(array: readonly unknown[]): NumberArray | undefined {
  const numbers = new NumberArray();
  return appendArray(numbers, array) ? numbers : undefined;
}

function appendArray(numbers: NumberArray, array: readonly unknown[]): boolean {
  numbers.openArray();
  for (const value of array) {
    if (typeof value === 'number') numbers.push(value);
    else if (Array.isArray(value)) {
      if (!appendArray(numbers, value)) return false;
    } else if (typeof value === 'bigint') return false;
    else if (value === null) numbers.pushNull();
    else appendOther(numbers, value);
  }
  numbers.closeArray();
  return true;
}

function appendOther(numbers: NumberArray, value: unknown): void {
  const number = typeof value === 'boolean' ? Number(value) : NON_FINITE.get(value);
  if (number === undefined) numbers.pushFault(value);
  else numbers.push(number);
}
