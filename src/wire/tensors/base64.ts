const DATA_URL = /^[ \t\n\r\f\v]{0,64}data:/i;

/** Number of characters at the start of a text that identify a data URL. */
const BEGINNING_LENGTH = 80;

const RAW_HINT = '; to send raw bytes in MessagePack, encode them as bin and not as str (use_bin_type=True)';

/** Kind of each byte of a text. Digits are from both alphabets of RFC 4648. */
const KINDS = new Uint8Array(256);
const [DIGIT, SPACE, PADDING] = [1, 2, 3];
for (const digit of Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_'))
  KINDS[digit] = DIGIT;
for (const space of Buffer.from(' \t\n\r\f\v')) KINDS[space] = SPACE;
KINDS[0x3d] = PADDING;

/** Number of digits that encode three bytes. */
const GROUP = 4;

/** Largest number of `=` at the end of a text. */
const MAX_PADDING = 2;

/**
 * Decodes base64 text in chunks. Padding is optional, both alphabets are accepted, and white space may be anywhere: encoders
 * insert line breaks and end the last line.
 */
export class Base64Decoder {
  /** Digits of the incomplete group. */
  #group = '';
  #beginning = '';
  #read = 0;
  #digits = 0;
  #padding = 0;
  /** Index of the first padding character. */
  #paddingAt = 0;
  #fault: string | undefined;

  /** Fault of the text and its index, worded as the end of a sentence; undefined while there is none. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** @param chunk in UTF-8 @returns the bytes that the chunk completes */
  push(chunk: Uint8Array): Buffer {
    const missing = BEGINNING_LENGTH - this.#beginning.length;
    if (missing > 0) this.#beginning += latin1(chunk.subarray(0, missing));
    const text = this.#group + latin1(this.#digitsOf(chunk));
    const end = text.length - (text.length % GROUP);
    this.#group = text.slice(end);
    this.#read += chunk.byteLength;
    return Buffer.from(text.slice(0, end), 'base64');
  }

  /** @returns the last bytes */
  end(): Buffer {
    if (this.#group.length === 1) this.#fault ??= `${this.#digits} characters are not a whole number of bytes`;
    return Buffer.from(this.#group, 'base64');
  }

  /** Returns the digits of a chunk up to the first fault, without a copy if the chunk is only digits. */
  #digitsOf(chunk: Uint8Array): Uint8Array {
    let at = 0;
    if (this.#padding === 0) while (at < chunk.byteLength && KINDS[chunk[at]!] === DIGIT) at++;
    const digits = at === chunk.byteLength ? chunk : chunk.slice();
    let count = at;
    for (; at < chunk.byteLength && this.#fault === undefined; at++) {
      const kind = KINDS[chunk[at]!]!;
      if (kind === SPACE) continue;
      if (kind === DIGIT && this.#padding === 0) digits[count++] = chunk[at]!;
      else if (kind === PADDING && this.#padding < MAX_PADDING) {
        if (this.#padding++ === 0) this.#paddingAt = this.#read + at;
      } else this.#fault = this.#faultAt(chunk, at);
    }
    this.#digits += count;
    return digits.subarray(0, count);
  }

  #faultAt(chunk: Uint8Array, at: number): string {
    if (DATA_URL.test(this.#beginning)) {
      return 'it begins with "data:", expected only the base64 text after the comma of the data URL';
    }
    const hint = chunk.subarray(at).some(isNoText) ? RAW_HINT : '';
    // Padding is only valid at the end, so the first `=` is the fault.
    if (this.#padding > 0) return `character ${this.#paddingAt} is "="${hint}`;
    return `character ${this.#read + at} is ${shown(chunk.subarray(at))}${hint}`;
  }
}

/** Number of characters that are decoded at a time. */
const PIECE_LENGTH = 65_536;

/**
 * Decodes base64 text with Base64Decoder.
 * @returns the bytes, or the fault, worded as the end of a sentence
 */
export function bytesOfBase64(text: string): Uint8Array | { fault: string } {
  const decoder = new Base64Decoder();
  const padding = /={0,2}$/.exec(text.slice(-MAX_PADDING))![0].length;
  const bytes = new Uint8Array(Math.floor(((text.length - padding) * 3) / GROUP));
  let length = 0;
  const add = (part: Uint8Array): void => {
    bytes.set(part, length);
    length += part.byteLength;
  };
  for (let at = 0; at < text.length && decoder.fault === undefined; at += PIECE_LENGTH) {
    add(decoder.push(Buffer.from(text.slice(at, at + PIECE_LENGTH))));
  }
  add(decoder.end());
  return decoder.fault === undefined ? bytes.subarray(0, length) : { fault: decoder.fault };
}

function latin1({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('latin1');
}

/** Recognises bytes that cannot be printable ASCII: the client sent raw bytes as text. */
function isNoText(byte: number): boolean {
  return (byte < 0x20 && KINDS[byte] !== SPACE) || byte > 0x7e;
}

const PRINTABLE = /^[!-~]$/;

/** First character of UTF-8 text, as shown in messages. */
function shown(bytes: Uint8Array): string {
  const [character] = Buffer.from(bytes.subarray(0, 4)).toString();
  if (PRINTABLE.test(character!)) return JSON.stringify(character);
  return `U+${character!.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`;
}
