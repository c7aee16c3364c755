/** Number of separators of a JSON text outside of its strings. */
export interface Structure {
  /** Colons, one per key of an object. */
  keys: number;
  commas: number;
}

/** Callbacks for brackets outside of strings. */
interface Limits {
  /** @param depth number of open arrays and objects, with this one. @param containers number of arrays and objects so far */
  onOpen?: (depth: number, containers: number) => void;
}

const [QUOTE, BACKSLASH, COLON, COMMA] = Buffer.from('"\\:,');
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = Buffer.from('[]{}');

/** Counts separators of a text before it is parsed. The text need not be valid JSON. */
export function measureStructure(bytes: Uint8Array, { onOpen }: Limits = {}): Structure {
  const structure = { keys: 0, commas: 0 };
  let depth = 0;
  let containers = 0;
  let isInString = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) isInString = !isInString;
    else if (isInString) {
      if (byte === BACKSLASH) at++;
    } else if (byte === COMMA) structure.commas++;
    else if (byte === COLON) structure.keys++;
    else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) onOpen?.(++depth, ++containers);
    else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) depth--;
  }
  return structure;
}
