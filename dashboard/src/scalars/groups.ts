/** Scalars whose names agree up to the last slash. */
export interface ScalarGroup {
  /** Part of the names before the last slash; empty for names without one. */
  name: string;
  /** Whole names. */
  scalars: string[];
}

/** Numeric order: `layers.2` comes before `layers.10`. */
const ORDER = new Intl.Collator('en', { numeric: true });

export const lastPartOf = (scalar: string): string => scalar.slice(scalar.lastIndexOf('/') + 1);

/** Groups the names in which all words of a search occur. Names without a slash come first. */
export function groupScalars(names: Iterable<string>, search: string): ScalarGroup[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const found = [...new Set(names)].filter((name) => words.every((word) => name.toLowerCase().includes(word)));
  const groups = Map.groupBy(found, (name) => name.slice(0, Math.max(0, name.lastIndexOf('/'))));
  return [...groups]
    .map(([name, scalars]) => ({ name, scalars: scalars.toSorted(ORDER.compare) }))
    .toSorted((a, b) => ORDER.compare(a.name, b.name));
}
