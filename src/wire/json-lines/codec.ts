import { LossmeterError } from '../../errors.ts';
import { parseJson } from '../json-text/text.ts';
import type { Codec } from '../request.ts';

const NEWLINE = 10;

/** JSON Lines, read as an array of the lines' values. */
export const jsonLinesCodec: Codec = {
  name: 'json-lines',
  mediaTypes: ['application/x-ndjson', 'application/jsonl'],
  decode: () => {
    throw new LossmeterError('unsupported_media_type', 'a request with logits cannot be sent as lines of JSON');
  },
  values: { maxBytes: ({ maxJsonBytes }) => maxJsonBytes, parse: parseLines },
};

/** @throws LossmeterError malformed_body with the number of the line */
function parseLines(body: Uint8Array, maxDepth: number): unknown[] {
  const values: unknown[] = [];
  for (let [at, line] = [0, 1]; at < body.byteLength; line++) {
    const found = body.indexOf(NEWLINE, at);
    const end = found === -1 ? body.byteLength : found;
    const text = body.subarray(at, end);
    if (!isBlank(text)) values.push(parseLine(text, maxDepth, line));
    at = end + 1;
  }
  return values;
}

/** True for a line of only spaces, tabs and carriage returns. */
const isBlank = (text: Uint8Array): boolean => text.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);

function parseLine(text: Uint8Array, maxDepth: number, line: number): unknown {
  try {
    return parseJson(text, maxDepth);
  } catch (error) {
    if (!(error instanceof LossmeterError)) throw error;
    throw new LossmeterError(error.code, `line ${line}: ${error.message}`, error.places, { cause: error });
  }
}
