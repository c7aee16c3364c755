import { closest, distance } from 'fastest-levenshtein';

/** The known name that was probably meant: a synonym's, else the nearest one within two edits (three in long names). */
export function suggestName(
  name: string,
  known: readonly string[],
  synonyms: Readonly<Record<string, string>> = {},
): string | undefined {
  const lower = name.toLowerCase().replaceAll('-', '_');
  if (Object.hasOwn(synonyms, lower)) return synonyms[lower];
  if (known.length === 0) return undefined;
  const nearest = closest(lower, known);
  return distance(lower, nearest) <= (nearest.length > 8 ? 3 : 2) ? nearest : undefined;
}

/** A value as an error message shows it: JSON, cut where it gets long. */
export function showValue(value: unknown): string {
  if (typeof value === 'bigint' || (typeof value === 'number' && !Number.isFinite(value))) return String(value);
  if (value instanceof Uint8Array) return `${value.byteLength} bytes`;
  const text = JSON.stringify(value, (_key, inner: unknown) => (typeof inner === 'bigint' ? String(inner) : inner)) as
    | string
    | undefined;
  if (text === undefined) return typeof value;
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
