import { LossmeterError } from '../../errors.ts';
import { SURPLUS_KEY } from '../../suggestion.ts';
import { NON_FINITE } from '../non-finite.ts';
import { NumberArray } from './number-array.ts';

/** Largest number of arrays and objects of a text. */
export const MAX_CONTAINERS = 2 ** 20;

const OWN_PROPERTY = { writable: true, enumerable: true, configurable: true };

/** Largest number of keys of one object. */
const MAX_KEYS = 2 ** 17;

/** Number of keys of an object that are kept whatever their name. No object with fixed keys has even half as many. */
const MOST_KEYS = 256;

/** Number of keys of an object of named values that are kept: more than any such object may have. */
const MOST_NAMES = 2 ** 13;

/** Largest number of values outside of number arrays. Each takes about 100 bytes, and is copied between threads. */
export const MAX_VALUES = 2 ** 18;

/** Number of values that each array of numbers counts as, whatever its length. */
export const VALUES_PER_TENSOR = 8;

/** Way of reading a value. */
export type Reading =
  /** The same value as JSON.parse. */
  | 'value'
  /** The same, except that integers beyond 2^53 are bigints, at any depth. */
  | 'exact'
  /** An array as a NumberArray, anything else as a value. */
  | 'numbers'
  /** An object whose keys the client chooses. It keeps its first MOST_NAMES entries. */
  | 'named'
  /** The value is checked but not kept: null replaces it. */
  | 'skip';

/** Decides what is kept of a text. */
export interface ReadingRules {
  /** Selects the way of reading the value of a key. @param depth number of enclosing objects and arrays */
  readonly readingOf?: (key: string, depth: number) => Reading;
  /**
   * Keys that are kept in every object. Of other keys, an object keeps those that are among its first MOST_KEYS entries; the
   * number of dropped keys is the value of SURPLUS_KEY. Undefined if all keys are kept.
   */
  readonly knownKeys?: ReadonlySet<string> | undefined;
}

const codeOf = (character: string): number => character.charCodeAt(0);
const [QUOTE, BACKSLASH, COMMA, COLON] = [codeOf('"'), codeOf('\\'), codeOf(','), codeOf(':')];
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [codeOf('['), codeOf(']'), codeOf('{'), codeOf('}')];

const tableOf = (characters: string): Uint8Array => {
  const table = new Uint8Array(256);
  for (const character of characters) table[codeOf(character)] = 1;
  return table;
};
const IS_SPACE = tableOf(' \t\n\r');
/** Characters of numbers, and of separators between them. */
const IS_OF_NUMBERS = tableOf('0123456789+-.eE, \t\n\r');
/** Characters of numbers and of words. */
const IS_OF_TOKEN = tableOf('0123456789+-.eEabcdfghijklmnopqrstuvwxyzANI');

/** Number of bytes of numbers that are parsed at a time. */
const SPAN_BYTES = 16_384;

const [NAN, INFINITY, NULL] = ['NaN', 'Infinity', 'null'].map((token) => Buffer.from(token)) as [
  Buffer,
  Buffer,
  Buffer,
];

/** Names of the non-finite numbers as JSON strings, in bytes. */
const QUOTED = Array.from(NON_FINITE, ([word, number]) => ({ bytes: Buffer.from(`"${String(word)}"`), number }));

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** Integer of 64 bits or a few more. */
const INTEGER = /^\s*(-?\d{1,20})\s*$/;

/** Byte order mark, which some editors write. */
const BYTE_ORDER_MARK = Buffer.from('\uFEFF');

/** Receives the entries of an array of numbers. */
type Numbers = Pick<
  NumberArray,
  'openArray' | 'closeArray' | 'push' | 'pushInteger' | 'pushNull' | 'pushFault' | 'fault'
>;

/** Discards the entries of an array, and tracks only its depth. */
class SkippedNumbers implements Numbers {
  #depth = 0;

  readonly fault = { index: 0, value: undefined };

  openArray(): void {
    this.#depth++;
  }

  closeArray(): boolean {
    return --this.#depth === 0;
  }

  push(): void {}

  pushInteger(): void {}

  pushNull(): void {}

  pushFault(): void {}
}

/**
 * Reads a JSON text in one pass, in bounded memory: a text that is too deep, or has too many keys, values or arrays, is
 * refused as soon as it exceeds a limit. Numbers of tensors take 8 bytes each. JSON.parse reads spans of numbers, and strings
 * with escapes. Outside of number arrays the bare tokens NaN, Infinity and -Infinity become strings.
 */
export class JsonScanner {
  readonly #bytes: Buffer;
  readonly #maxDepth: number;
  readonly #readingOf: NonNullable<ReadingRules['readingOf']>;
  readonly #knownKeys: ReadonlySet<string> | undefined;
  #at = 0;
  #depth = 0;
  #containers = 0;
  #values = 0;

  /** @param maxDepth largest nesting of the text */
  constructor(bytes: Uint8Array, maxDepth: number, { readingOf = () => 'value', knownKeys }: ReadingRules = {}) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#maxDepth = maxDepth;
    this.#readingOf = readingOf;
    this.#knownKeys = knownKeys;
  }

  /** @throws LossmeterError malformed_body; invalid_tensor for a number array with too many axes */
  scan(): unknown {
    if (this.#bytes.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK)) this.#at = BYTE_ORDER_MARK.length;
    const value = this.#readValue();
    if (this.#skipSpace() !== undefined) throw this.#unexpected('the end of the text');
    return value;
  }

  #readValue(reading: Reading = 'value'): unknown {
    const byte = this.#skipSpace();
    if (reading === 'skip') return this.#skipValue();
    this.#count();
    if (byte === OPEN_OBJECT) return this.#readObject(reading);
    if (byte === OPEN_ARRAY) return reading === 'numbers' ? this.#readNumbers() : this.#readArray(reading);
    if (byte === QUOTE) return this.#readString();
    return reading === 'value' || reading === 'named' ? this.#readToken() : this.#readNumber();
  }

  /** Reads a token. An integer beyond 2^53 becomes a bigint. */
  #readNumber(): unknown {
    const from = this.#at;
    const value = this.#readToken();
    if (typeof value !== 'number' || !isWide(value)) return value;
    const integer = INTEGER.exec(this.#bytes.toString('latin1', from, this.#at))?.[1];
    return integer === undefined ? value : BigInt(integer);
  }

  #readObject(reading: Reading): unknown {
    this.#enter();
    const object: Record<string, unknown> = {};
    const most = reading === 'named' ? MOST_NAMES : MOST_KEYS;
    let keys = 0;
    let surplus = 0;
    for (let next = this.#open(CLOSE_OBJECT); next; next = this.#continues(CLOSE_OBJECT)) {
      if (keys++ === MAX_KEYS) throw malformed(`has an object of more than ${MAX_KEYS} keys`);
      const key = this.#readKey();
      if (keys > most && this.#isSurplus(key, object)) {
        surplus++;
        this.#skipValue();
        continue;
      }
      const value = this.#readValue(this.#readingWithin(reading, key));
      // An assignment to __proto__ would set the prototype.
      if (key === '__proto__') Object.defineProperty(object, key, { value, ...OWN_PROPERTY });
      else object[key] = value;
    }
    this.#depth--;
    if (surplus > 0) object[SURPLUS_KEY] = surplus;
    return object;
  }

  #readingWithin(reading: Reading, key: string): Reading {
    if (reading === 'exact') return reading;
    return reading === 'named' ? 'value' : this.#readingOf(key, this.#depth);
  }

  #isSurplus(key: string, object: Readonly<Record<string, unknown>>): boolean {
    return this.#knownKeys?.has(key) === false && !Object.hasOwn(object, key);
  }

  #readArray(reading: Reading): unknown[] {
    this.#enter();
    const values: unknown[] = [];
    for (let next = this.#open(CLOSE_ARRAY); next; next = this.#continues(CLOSE_ARRAY)) {
      values.push(this.#readValue(reading));
    }
    this.#depth--;
    return values;
  }

  /** Reads an array of numbers, nested or flat. */
  #readNumbers(): NumberArray {
    this.#count(VALUES_PER_TENSOR);
    const numbers = new NumberArray();
    this.#readNumbersInto(numbers);
    return numbers;
  }

  #readNumbersInto(numbers: Numbers): void {
    let isValueDue = true;
    for (;;) {
      const byte = this.#skipSpace();
      if (byte === CLOSE_ARRAY) {
        // A value is required after a comma, but not after an opening bracket.
        if (isValueDue && this.#previous() === COMMA) throw this.#unexpected('a value');
        this.#at++;
        this.#depth--;
        if (numbers.closeArray()) return;
        isValueDue = false;
      } else if (!isValueDue) {
        if (byte !== COMMA) throw this.#unexpected('a comma or ]');
        this.#at++;
        isValueDue = true;
      } else if (byte === OPEN_ARRAY) {
        this.#enter();
        this.#at++;
        numbers.openArray();
      } else {
        isValueDue = this.#readEntries(numbers, byte);
      }
    }
  }

  /** @returns true when a comma was read after the last entry, so that another entry is required */
  #readEntries(numbers: Numbers, byte: number | undefined): boolean {
    if (byte !== COMMA && this.#charactersOfNumbers(this.#at) > 0) return this.#readSpan(numbers);
    if (byte === OPEN_OBJECT) {
      // Errors name only the first fault, so later ones are not kept.
      numbers.pushFault(numbers.fault === undefined ? this.#readValue() : this.#skipValue());
      return false;
    }
    const value = byte === QUOTE ? this.#readWord() : this.#readToken();
    const number = typeof value === 'boolean' ? Number(value) : NON_FINITE.get(value);
    if (typeof value === 'number') numbers.push(value);
    else if (number === undefined) numbers.pushFault(value);
    else numbers.push(number);
    return false;
  }

  /** Reads a string among numbers, usually the name of a non-finite number. */
  #readWord(): number | string {
    const word = QUOTED.find(({ bytes }) => this.#stands(bytes, this.#at) > 0);
    if (word === undefined) return this.#readString();
    this.#at += word.bytes.length;
    return word.number;
  }

  /** Reads a span of consecutive numbers and bare tokens. @returns true when the span ends with a comma */
  #readSpan(numbers: Numbers): boolean {
    const bytes = this.#bytes;
    const from = this.#at;
    let end = from;
    for (let length = 1; length > 0 && (end - from < SPAN_BYTES || bytes[end] !== COMMA); end += length) {
      length = this.#charactersOfNumbers(end);
    }
    // The comma that ended the span belongs to it.
    if (bytes[end] === COMMA) end++;
    let last = end;
    while (IS_SPACE[bytes[last - 1]!] === 1) last--;
    const endsWithComma = bytes[last - 1] === COMMA;
    const to = endsWithComma ? last - 1 : last;
    const values = this.#parseNumbers(from, to);
    if (values.some(isWide)) this.#pushExactly(numbers, values, from, to);
    else for (const value of values) pushEntry(numbers, value);
    this.#at = end;
    return endsWithComma;
  }

  /** Adds the numbers of a span that may contain integers beyond 2^53. */
  #pushExactly(numbers: Numbers, values: readonly (number | null)[], from: number, to: number): void {
    const entries = this.#bytes.toString('latin1', from, to).split(',');
    for (const [k, value] of values.entries()) {
      const integer = isWide(value) ? INTEGER.exec(entries[k]!)?.[1] : undefined;
      if (integer === undefined) pushEntry(numbers, value);
      else numbers.pushInteger(BigInt(integer));
    }
  }

  /** Returns the length of a bare token, 1 for a character of a number or a separator, 0 for any other character. */
  #charactersOfNumbers(at: number): number {
    const byte = this.#bytes[at]!;
    if (IS_OF_NUMBERS[byte] === 1) return 1;
    if (byte === NAN[0]) return this.#stands(NAN, at);
    if (byte === NULL[0]) return this.#stands(NULL, at);
    return byte === INFINITY[0] ? this.#stands(INFINITY, at) : 0;
  }

  #stands(token: Buffer, at: number): number {
    for (let k = 1; k < token.length; k++) if (this.#bytes[at + k] !== token[k]) return 0;
    return token.length;
  }

  #parseNumbers(from: number, to: number): readonly (number | null)[] {
    const text = this.#bytes.toString('latin1', from, to);
    try {
      if (!/[NI]/.test(text)) return JSON.parse(`[${text}]`) as (number | null)[];
      const quoted = text.replaceAll('-Infinity', '"-"').replaceAll('Infinity', '"+"').replaceAll('NaN', '""');
      return (JSON.parse(`[${quoted}]`) as unknown[]).map(numberOf);
    } catch (cause) {
      throw this.#notNumbers(from, text, cause);
    }
  }

  /** Makes the error for the first invalid entry of a span, like the errors of #readToken. */
  #notNumbers(from: number, text: string, cause: unknown): LossmeterError {
    let at = from;
    for (const entry of text.split(',')) {
      const start = at + entry.length - entry.trimStart().length;
      const [token, following] = entry.trim().split(/[ \t\n\r]+/, 2);
      if (token === '') {
        this.#at = start;
        return this.#unexpected('a value');
      }
      if (!NUMBER.test(token!) && token !== 'null' && !NON_FINITE.has(token)) return misplaced(start, token!, cause);
      if (following !== undefined) {
        this.#at = start + entry.trim().indexOf(following, token!.length);
        return this.#unexpected('a comma or ]');
      }
      at += entry.length + 1;
    }
    return misplaced(from, text, cause);
  }

  #readString(): string {
    const bytes = this.#bytes;
    const from = this.#at;
    const to = this.#endOfString();
    this.#at = to + 1;
    // Most strings are copied unchanged. JSON.parse reads strings with escapes, and refuses control characters.
    let at = from + 1;
    while (at < to && bytes[at]! >= 0x20 && bytes[at] !== BACKSLASH) at++;
    if (at === to) return bytes.toString('utf8', from + 1, to);
    try {
      return JSON.parse(bytes.toString('utf8', from, to + 1)) as string;
    } catch (cause) {
      throw malformed(`is not JSON: the string at byte ${from} has an invalid escape or control character`, cause);
    }
  }

  /** Returns the index of the quote that ends the current string. */
  #endOfString(): number {
    const bytes = this.#bytes;
    for (let at = this.#at + 1; at < bytes.length; at++) {
      if (bytes[at] === BACKSLASH) at++;
      else if (bytes[at] === QUOTE) return at;
    }
    throw malformed(`is not JSON: the string at byte ${this.#at} does not end`);
  }

  /** Reads a number, true, false, null or a bare token. */
  #readToken(): unknown {
    const from = this.#at;
    let end = from;
    while (end < this.#bytes.length && IS_OF_TOKEN[this.#bytes[end]!] === 1) end++;
    if (end === from) throw this.#unexpected('a value');
    this.#at = end;
    const text = this.#bytes.toString('latin1', from, end);
    if (NON_FINITE.has(text)) return text;
    try {
      return JSON.parse(this.#bytes.toString('latin1', from, end));
    } catch (cause) {
      throw misplaced(from, text, cause);
    }
  }

  /** Checks that a value is JSON, and discards it. */
  #skipValue(): null {
    const byte = this.#skipSpace();
    if (byte === OPEN_ARRAY) this.#readNumbersInto(new SkippedNumbers());
    else if (byte === OPEN_OBJECT) this.#skipObject();
    else if (byte === QUOTE) this.#readString();
    else this.#readToken();
    return null;
  }

  #skipObject(): void {
    this.#enter();
    for (let next = this.#open(CLOSE_OBJECT); next; next = this.#continues(CLOSE_OBJECT)) {
      this.#readKey();
      this.#skipValue();
    }
    this.#depth--;
  }

  /** Reads a key and its colon. */
  #readKey(): string {
    if (this.#skipSpace() !== QUOTE) throw this.#unexpected('a key in quotes');
    const key = this.#readString();
    if (this.#skipSpace() !== COLON) throw this.#unexpected('a colon');
    this.#at++;
    return key;
  }

  /** Reads the opening bracket of an object or array. @returns true when it has entries */
  #open(close: number): boolean {
    this.#at++;
    if (this.#skipSpace() !== close) return true;
    this.#at++;
    return false;
  }

  /** Reads a comma or the closing bracket. @returns true when another entry follows */
  #continues(close: number): boolean {
    const byte = this.#skipSpace();
    if (byte !== COMMA && byte !== close) throw this.#unexpected(`a comma or ${String.fromCharCode(close)}`);
    this.#at++;
    return byte === COMMA;
  }

  #enter(): void {
    if (++this.#depth > this.#maxDepth) throw tooDeep(this.#maxDepth);
    if (++this.#containers > MAX_CONTAINERS) throw tooManyContainers();
  }

  #count(added = 1): void {
    this.#values += added;
    if (this.#values > MAX_VALUES) throw tooManyValues();
  }

  /** Skips white space, and returns the next byte without consuming it; undefined at the end. */
  #skipSpace(): number | undefined {
    while (IS_SPACE[this.#bytes[this.#at]!] === 1) this.#at++;
    return this.#bytes[this.#at];
  }

  /** Returns the last byte before the current one that is not white space. */
  #previous(): number | undefined {
    let at = this.#at - 1;
    while (IS_SPACE[this.#bytes[at]!] === 1) at--;
    return this.#bytes[at];
  }

  #unexpected(expected: string): LossmeterError {
    const byte = this.#bytes[this.#at];
    const found = byte === undefined ? 'the text ends' : `${JSON.stringify(String.fromCharCode(byte))} is found`;
    return malformed(`is not JSON: at byte ${this.#at} ${found}, expected ${expected}`);
  }
}

function isWide(value: number | null): boolean {
  return value !== null && Math.abs(value) > Number.MAX_SAFE_INTEGER && Number.isFinite(value);
}

function pushEntry(numbers: Numbers, value: number | null): void {
  if (value === null) numbers.pushNull();
  else numbers.push(value);
}

function numberOf(value: unknown): number | null {
  if (typeof value === 'number' || value === null) return value;
  return value === '' ? Number.NaN : value === '+' ? Infinity : -Infinity;
}

/** Largest number of characters of the text in an error. */
const MOST_SHOWN = 20;

function misplaced(at: number, found: string, cause: unknown): LossmeterError {
  const shown = JSON.stringify(found.length > MOST_SHOWN ? `${found.slice(0, MOST_SHOWN)}…` : found);
  return malformed(`is not JSON: at byte ${at} ${shown} is found, expected a value`, cause);
}

function malformed(what: string, cause?: unknown): LossmeterError {
  return new LossmeterError('malformed_body', `the body ${what}`, [], { cause });
}

export function tooDeep(maxDepth: number): LossmeterError {
  return malformed(`is nested deeper than ${maxDepth} levels`);
}

export function tooManyValues(): LossmeterError {
  return malformed(`holds more than ${MAX_VALUES} values outside of its tensors`);
}

export function tooManyContainers(): LossmeterError {
  return malformed(`has more than ${MAX_CONTAINERS} arrays and objects; send large tensors as {dtype, shape, data}`);
}
