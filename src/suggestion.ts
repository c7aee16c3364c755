import { distance } from 'fastest-levenshtein';

/** Maximum length of a name that is looked up. A longer name is not a misspelling, and comparing it takes longer. */
const MAX_NAME_LENGTH = 64;

/**
 * The known name that was probably meant: the name of a synonym, else the nearest name within two edits (three for names
 * of more than 8 characters). Upper case, and a hyphen in place of an underscore, do not count as edits.
 */
export function suggestName(
  name: string,
  known: readonly string[],
  synonyms: Readonly<Record<string, string>> = {},
): string | undefined {
  if (name.length > MAX_NAME_LENGTH) return undefined;
  const plain = plainName(name);
  const meant = Object.hasOwn(synonyms, plain) ? synonyms[plain] : undefined;
  if (meant !== undefined && known.includes(meant)) return meant;
  let nearest: string | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const one of known) {
    const edits = distance(plain, plainName(one));
    if (edits < least && edits <= (one.length > 8 ? 3 : 2)) [nearest, least] = [one, edits];
  }
  return nearest;
}

/** Question that follows an unknown name; empty without a suggestion. @param meant from `suggestName` */
export function questionOf(meant: string | undefined): string {
  return meant === undefined ? '' : `, did you mean ${meant}?`;
}

const plainName = (name: string): string => name.toLowerCase().replaceAll('-', '_');

const MAX_SHOWN_LENGTH = 60;
const MAX_SHOWN_ENTRIES = 6;
const MAX_SHOWN_DEPTH = 3;

/** Formats a value for an error message: like JSON, but cut when long or deep. The time is bounded for large values. */
export function showValue(value: unknown, depth = 0): string {
  if (typeof value === 'string') return JSON.stringify(cut(value));
  if (typeof value === 'bigint')
    return value > -(2n ** 64n) && value < 2n ** 64n ? String(value) : 'a very large integer';
  if (value instanceof Uint8Array) return `${value.byteLength} bytes`;
  if (typeof value !== 'object' || value === null) return String(value);
  if (depth === MAX_SHOWN_DEPTH) return '…';
  const isArray = Array.isArray(value);
  const parts: string[] = [];
  for (const key in value) {
    if (parts.length === MAX_SHOWN_ENTRIES) {
      parts.push('…');
      break;
    }
    const shown = showValue((value as Record<string, unknown>)[key], depth + 1);
    parts.push(isArray ? shown : `${JSON.stringify(cut(key))}:${shown}`);
  }
  return isArray ? `[${parts.join(',')}]` : `{${parts.join(',')}}`;
}

/** Key for the number of omitted keys, in an object that was received with more keys than are kept. */
export const SURPLUS_KEY = '…';

function cut(text: string): string {
  return text.length > MAX_SHOWN_LENGTH ? `${text.slice(0, MAX_SHOWN_LENGTH - 1)}…` : text;
}

/** RFC 6901 pointer to a place in the request. Names that came from the client are cut like shown values. */
export function pointerTo(...segments: (string | number)[]): string {
  return segments.map((segment) => `/${cut(String(segment)).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

/**
 * RFC 6901 pointer to a tensor of the request, or to a place within it.
 * @param field name of the tensor, or names and indices with slashes between; `reference.indices` is a key of `reference`
 */
export function placeIn(field: string, ...segments: (string | number)[]): string {
  return `/${field.replaceAll('.', '/')}${pointerTo(...segments)}`;
}
