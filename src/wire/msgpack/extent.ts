import { LossmeterError } from '../../errors.ts';

/** Largest nesting of a value. No request needs more than a tensor's axes and a few maps. */
const MAX_DEPTH = 64;

/** Largest number of keys of one map. No request needs more. */
const MAX_KEYS = 2 ** 12;

/** Largest text in a field that is read at once: the maximum of str 16. */
export const MAX_TEXT_BYTES = 2 ** 16 - 1;

/** Limits of the content of a value. */
interface Limits {
  /** Items and pairs in total. Each becomes a JavaScript value, much larger than its bytes. */
  entries: number;
  /** Pairs of all maps. Each key takes a microsecond. */
  pairs: number;
  /** Bytes of a text that is read at once. MsgpackExtent stops at longer texts. */
  textBytes: number;
  /** Total bytes of the texts that are neither long nor short. */
  allTextBytes: number;
}

/** Largest number of bytes of a short text, such as "-Infinity", which may be every entry of a tensor. */
const SHORT_TEXT_BYTES = 9;

/** Limits of a field of a request, which is read on the main thread. */
const FIELD_LIMITS: Limits = {
  entries: 2 ** 18,
  pairs: 2 ** 12,
  textBytes: MAX_TEXT_BYTES,
  allTextBytes: 2 * MAX_TEXT_BYTES,
};

/** Limits of a body that is one value. */
export const VALUE_LIMITS: Limits = { entries: 2 ** 18, pairs: 2 ** 18, textBytes: Infinity, allTextBytes: Infinity };

const AS_BYTES = 'send a tensor as {"dtype", "shape", "data"} with data as bin';

/** Layout after a MessagePack type byte. https://github.com/msgpack/msgpack/blob/master/spec.md */
interface Format {
  /** Bytes of a big-endian length that follow the type byte. */
  lengthBytes: 0 | 1 | 2 | 4;
  /** Unit of the length, or of the type byte itself. */
  counts: 'bytes' | 'items' | 'pairs';
  /** Bytes, items or pairs that the type byte gives. The length, if any, is added to them. */
  fixed: number;
  /** True for the bytes of a text. */
  isText?: boolean;
}

const bytes = (lengthBytes: Format['lengthBytes'], fixed = 0): Format => ({ lengthBytes, counts: 'bytes', fixed });
const text = (lengthBytes: Format['lengthBytes'], fixed = 0): Format => ({
  ...bytes(lengthBytes, fixed),
  isText: true,
});
const items = (lengthBytes: Format['lengthBytes'], fixed = 0): Format => ({ lengthBytes, counts: 'items', fixed });
const pairs = (lengthBytes: Format['lengthBytes'], fixed = 0): Format => ({ lengthBytes, counts: 'pairs', fixed });

/** Formats of the type bytes 0xc0 to 0xdf; undefined for the unused byte and for extensions. */
const FORMATS: readonly (Format | undefined)[] = [
  bytes(0),
  undefined,
  bytes(0),
  bytes(0),
  bytes(1),
  bytes(2),
  bytes(4),
  undefined,
  undefined,
  undefined,
  bytes(0, 4),
  bytes(0, 8),
  bytes(0, 1),
  bytes(0, 2),
  bytes(0, 4),
  bytes(0, 8),
  bytes(0, 1),
  bytes(0, 2),
  bytes(0, 4),
  bytes(0, 8),
  undefined,
  undefined,
  undefined,
  undefined,
  undefined,
  text(1),
  text(2),
  text(4),
  items(2),
  items(4),
  pairs(2),
  pairs(4),
];

/** @throws LossmeterError malformed_body for the unused type byte 0xc1, and for extensions */
export function formatOf(type: number): Format {
  if (type < 0x80 || type >= 0xe0) return bytes(0);
  if (type < 0x90) return pairs(0, type & 0x0f);
  if (type < 0xa0) return items(0, type & 0x0f);
  if (type < 0xc0) return text(0, type & 0x1f);
  const format = FORMATS[type - 0xc0];
  if (format === undefined) {
    const what = type === 0xc1 ? 'is not MessagePack' : 'starts a MessagePack extension, which no field can be';
    throw new LossmeterError('malformed_body', `the byte 0x${type.toString(16)} ${what}`);
  }
  return format;
}

/**
 * Finds the end of one MessagePack value that arrives in chunks of any size. Stops at each long text in it. It only measures;
 * msgpackr reads the value.
 */
export class MsgpackExtent {
  /** Number of remaining values at each level of nesting. */
  readonly #open: number[] = [1];
  #skip = 0;
  #format: Format | undefined;
  #lengthBytesRead = 0;
  #length = 0;
  #entries = 0;
  #pairs = 0;
  #textBytes = 0;
  readonly #limits: Limits;
  #longText = 0;

  constructor(limits = FIELD_LIMITS) {
    this.#limits = limits;
  }

  get done(): boolean {
    return this.#open.length === 0;
  }

  /** Length of the long text at which `push` stopped; 0 without one. Its bytes come next. */
  get longText(): number {
    return this.#longText;
  }

  /** Continues after the long text. */
  passLongText(): void {
    this.#longText = 0;
    this.#closeFull();
  }

  /** @returns number of bytes of the chunk that belong to the value, up to the content of a long text */
  push(chunk: Uint8Array): number {
    let at = 0;
    while (at < chunk.byteLength && !this.done && this.#longText === 0) {
      if (this.#skip > 0) {
        const run = Math.min(this.#skip, chunk.byteLength - at);
        at += run;
        this.#skip -= run;
        if (this.#skip === 0) this.#closeFull();
      } else if (this.#format === undefined) {
        this.#format = formatOf(chunk[at++]!);
        this.#length = 0;
        this.#lengthBytesRead = 0;
        if (this.#format.lengthBytes === 0) this.#enter();
      } else {
        this.#length = this.#length * 256 + chunk[at++]!;
        if (++this.#lengthBytesRead === this.#format.lengthBytes) this.#enter();
      }
    }
    return at;
  }

  /** Processes the head of a value: counts its content, checks the limits, and opens a new level for arrays and maps. */
  #enter(): void {
    const { counts, fixed, isText } = this.#format!;
    const count = this.#length + fixed;
    this.#format = undefined;
    this.#open[this.#open.length - 1]!--;
    if (isText === true && count > SHORT_TEXT_BYTES) {
      if (count > this.#limits.textBytes) {
        this.#longText = count;
        return;
      }
      this.#textBytes += count;
      const { allTextBytes } = this.#limits;
      if (this.#textBytes > allTextBytes) {
        const detail = `the texts of a value have more than ${allTextBytes} bytes; ${AS_BYTES}`;
        throw new LossmeterError('body_too_large', detail);
      }
    }
    if (counts === 'bytes') {
      this.#skip = count;
    } else if (count > 0) {
      this.#entries += count;
      if (counts === 'pairs') this.#pairs += count;
      const { entries, pairs } = this.#limits;
      if (counts === 'pairs' && count > MAX_KEYS) {
        throw new LossmeterError('body_too_large', `a map has ${count} keys, expected at most ${MAX_KEYS}`);
      }
      if (this.#pairs > pairs) {
        throw new LossmeterError('body_too_large', `the maps of a value have more than ${pairs} keys`);
      }
      if (this.#entries > entries) {
        const detail = `an array or map has more than ${entries} entries; ${AS_BYTES}`;
        throw new LossmeterError('body_too_large', detail);
      }
      if (this.#open.length >= MAX_DEPTH) {
        throw new LossmeterError('malformed_body', `the body is nested deeper than ${MAX_DEPTH} levels`);
      }
      this.#open.push(counts === 'pairs' ? 2 * count : count);
    }
    if (this.#skip === 0) this.#closeFull();
  }

  #closeFull(): void {
    while (this.#open.at(-1) === 0) this.#open.pop();
  }
}
