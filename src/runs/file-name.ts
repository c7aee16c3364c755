/** Most bytes of a name in a file name: file systems take 255 with the ending. */
const MOST_BYTES = 200;

/** Characters that file systems refuse or take for folders, and marks that turn the direction of text around. */
const UNSAFE = /[/\\:*?"<>|\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** Characters of the file name for clients that read no `filename*`. */
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

/** Cuts a text between two characters. */
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

/** Percent-encodes a value of RFC 8187, in which fewer characters are plain than in a URL. */
const encode = (text: string): string =>
  encodeURIComponent(text).replaceAll(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
