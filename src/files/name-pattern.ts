/** Patterns of file names: `*` matches any characters of a name, `?` one character, `**` any number of folders. */

export const isPattern = (text: string): boolean => /[*?]/.test(text);

/** True when a name matches a segment of a pattern. Its time is at most the product of both lengths. */
export function matchesSegment(pattern: string, name: string): boolean {
  let [p, n] = [0, 0];
  // Position of the last star, and end of the characters that it matches so far.
  let [star, end] = [-1, 0];
  while (n < name.length) {
    if (p < pattern.length && pattern[p] === '*') {
      star = p++;
      end = n;
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === name[n])) {
      p++;
      n++;
    } else if (star >= 0) {
      p = star + 1;
      n = ++end;
    } else {
      return false;
    }
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}

/**
 * The segments of a pattern that may follow a folder.
 * @param segments of the pattern
 * @param at indices of the segments that may match the folder
 */
export function afterFolder(segments: readonly string[], at: ReadonlySet<number>, folder: string): Set<number> {
  const next = new Set<number>();
  for (const k of at) {
    const segment = segments[k];
    if (segment === undefined) continue;
    if (segment === '**') next.add(k);
    else if (k < segments.length - 1 && matchesSegment(segment, folder)) next.add(k + 1);
  }
  return withoutStars(segments, next);
}

/** Adds the segments after `**`, because `**` also matches no folder. */
export function withoutStars(segments: readonly string[], at: Iterable<number>): Set<number> {
  const all = new Set(at);
  for (const k of all) if (segments[k] === '**' && k < segments.length - 1) all.add(k + 1);
  return all;
}

/** True when a file matches the last segment. */
export function matchesFile(segments: readonly string[], at: ReadonlySet<number>, name: string): boolean {
  const last = segments.length - 1;
  return at.has(last) && (segments[last] === '**' || matchesSegment(segments[last]!, name));
}
