import { LossmeterError } from '../../errors.ts';
import { MAX_RANK } from '../../tensor/shape.ts';
import { NON_FINITE } from '../non-finite.ts';

/** Numbers of a piece: pieces grow by doubling up to the longest, so that a short array takes little. */
const LONGEST_PIECE = 65_536;
const FIRST_PIECE = 4;

/** The piece of every array before its first number. */
const NO_NUMBERS = new Float64Array(0);

/** Residue of an entry that is no wide integer. */
const NO_RESIDUE = -(2 ** 15);

/** An entry that is no number. */
interface Fault {
  readonly index: number;
  readonly value: unknown;
}

/**
 * A nested array of numbers as it is read from a text: its numbers take 8 bytes each, and no value of JavaScript.
 * Booleans are 0 and 1. Integers of 64 bits are known exactly. The strings "NaN", "Infinity" and "-Infinity" are numbers too.
 */
export class NumberArray {
  readonly #pieces: Float64Array<ArrayBuffer>[] = [];
  #piece = NO_NUMBERS;
  /** By place of a piece the residues of its entries: what an integer is more than its float64. Only pieces with some. */
  readonly #residues = new Map<number, Int16Array>();
  #filled = 0;
  #length = 0;
  /** Lengths along the first entries, outermost first. */
  readonly #shape: (number | undefined)[] = [];
  /** Entries so far of the arrays that are open, outermost first. */
  readonly #open: number[] = [];
  #isRagged = false;
  #fault: Fault | undefined;
  #nulls = 0;
  #firstNull: number | undefined;

  /** Numbers in all. */
  get length(): number {
    return this.#length;
  }

  /** True where arrays differ in length or depth. */
  get isRagged(): boolean {
    return this.#isRagged;
  }

  /** The first entry that is no number. */
  get fault(): Fault | undefined {
    return this.#fault;
  }

  /** Entries that are null. */
  get nulls(): number {
    return this.#nulls;
  }

  /** Index of the first of them. */
  get firstNull(): number | undefined {
    return this.#firstNull;
  }

  get shape(): number[] {
    return this.#shape.map((length) => length ?? 0);
  }

  /** The numbers in order, in runs of some length. */
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

  /** @throws LossmeterError invalid_tensor for more axes than a tensor may have */
  openArray(): void {
    if (this.#open.length === MAX_RANK) {
      throw new LossmeterError('invalid_tensor', `an array is nested deeper than ${MAX_RANK} axes`);
    }
    if (this.#open.length > 0) this.#open[this.#open.length - 1]!++;
    // An axis below numbers, or one that appears after another array of this depth was closed without it.
    const isNew = this.#shape.length === this.#open.length;
    if (isNew && (this.#length > 0 || this.#shape.includes(0))) this.#isRagged = true;
    if (isNew) this.#shape.push(undefined);
    this.#open.push(0);
  }

  /** Ends the innermost open array. @returns true when it was the outermost */
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

  /** Adds an integer beyond 2^53, which its float64 does not tell. */
  pushInteger(integer: bigint): void {
    const value = Number(integer);
    this.push(value);
    const residue = Number(integer - BigInt(value));
    // Of more than 64 bits, an integer is too large whatever it is exactly.
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
   * The integer beyond 2^53 of an entry, or undefined.
   * @param run place of its run
   * @param k place in the run
   */
  integerAt(run: number, k: number): bigint | undefined {
    const residue = this.#residues.get(run)?.[k] ?? NO_RESIDUE;
    if (residue === NO_RESIDUE) return undefined;
    return BigInt((this.#pieces[run] ?? this.#piece)[k]!) + BigInt(residue);
  }

  /** Adds a null, which is NaN: some writers of JSON make it of NaN. */
  pushNull(): void {
    this.#nulls++;
    this.#firstNull ??= this.#length;
    this.push(Number.NaN);
  }

  /** Adds an entry that is no number. */
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
 * The numbers of an array that was decoded already.
 * @returns undefined when there is a bigint, which may be no number
 * @throws LossmeterError invalid_tensor for more axes than a tensor may have
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
