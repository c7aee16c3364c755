/** Most bytes of the run in a file name: file systems allow 255 bytes, including the ending. */
const MOST_BYTES = 200;

/** Characters that file systems reject or treat as separators, and marks that change the direction of text. */
const UNSAFE = /[/\\:*?"<>|\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** Characters that are replaced in `filename`, which clients without support for `filename*` read. */
const NOT_PLAIN = /[^\w .~=,+@()-]/gu;

/**
 * Content-Disposition (RFC 6266) of a download that is named after a run.
 * @example attachmentOf('meta-llama/Llama-2-7b', '-steps.csv')
 */
export function attachmentOf(run: string, ending: string): string {
  const stem = shorten(run.replaceAll(UNSAFE, '_').replace(/^\./, '_'));
  const plain = stem.replaceAll(NOT_PLAIN, '_');
  const header = `attachment; filename="${plain}${ending}"`;
  return plain === stem ? header : `${header}; filename*=UTF-8''${encode(stem + ending)}`;
}

/** Shortens a text to at most MOST_BYTES bytes of UTF-8 without splitting a character. */
function shorten(text: string): string {
  let bytes = 0;
  let short = '';
  for (const character of text) {
    bytes += Buffer.byteLength(character);
    if (bytes > MOST_BYTES) break;
    short += character;
  }
  return short;
}

/** Percent-encodes a value for RFC 8187, which also requires it for `'`, `(`, `)` and `*`. */
const encode = (text: string): string =>
  encodeURIComponent(text).replaceAll(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
