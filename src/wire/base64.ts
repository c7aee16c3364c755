const SPACE = 0x20;
const [TAB, RETURN] = [0x09, 0x0d];

/** Matches what is in neither alphabet of RFC 4648, and no white space. */
const NEITHER_BASE64_NOR_SPACE = /[^A-Za-z0-9+/_\- \t\n\r\f\v]/;

/** Matches what a base64 text never has: bytes that a writer sent as text. */
const NO_TEXT = /[^ -~\t\n\r\f\v]/;

const RAW_HINT = '; bytes that MessagePack has as str, by use_bin_type=False, are sent as bin';

const DATA_URL = /^[ \t\n\r\f\v]{0,64}data:/i;

/**
 * The bytes of base64 text, padded or not, with white space anywhere: writers break lines, and end the last one.
 * @returns a fault in its place, as the end of a sentence
 */
export function bytesOfBase64(text: string): Uint8Array | { fault: string } {
  // Not by /=+$/, which takes the square of a text of nothing but = and something else.
  let body = text.trimEnd();
  for (let padding = 0; padding < 2 && body.endsWith('='); padding++) body = body.slice(0, -1).trimEnd();
  // Buffer.from skips what is not base64: the lengths tell.
  const bytes = Buffer.from(body, 'base64');
  if (isWhole(bytes, body.length)) return bytes;
  if (DATA_URL.test(text)) {
    return { fault: 'it begins with "data:", expected what follows the comma of a data URL' };
  }
  const at = body.search(NEITHER_BASE64_NOR_SPACE);
  if (at >= 0) return { fault: `character ${at} is ${shown(body[at]!)}${NO_TEXT.test(body) ? RAW_HINT : ''}` };
  const characters = body.length - spacesOf(body);
  if (isWhole(bytes, characters)) return bytes;
  return { fault: `${characters} characters are no whole number of bytes` };
}

function isWhole({ byteLength }: Uint8Array, characters: number): boolean {
  return characters % 4 !== 1 && byteLength === Math.floor((characters * 3) / 4);
}

function spacesOf(text: string): number {
  let count = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === SPACE || (code >= TAB && code <= RETURN)) count++;
  }
  return count;
}

const PRINTABLE = /^[!-~]$/;

function shown(character: string): string {
  if (PRINTABLE.test(character)) return JSON.stringify(character);
  return `U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`;
}
