import type { RunSummary } from './record.ts';

/** Words of a search, each once, in lower case. */
export function wordsOf(search: string): string[] {
  return [...new Set(search.toLowerCase().split(/\s+/).filter(Boolean))];
}

/** Returns true when every word occurs in the run's name or in one of its labels, as `name=value`, ignoring case. */
export function matches({ run, labels }: Pick<RunSummary, 'run' | 'labels'>, words: readonly string[]): boolean {
  const texts = [run, ...Object.entries(labels).map(([name, value]) => `${name}=${value}`)];
  const lower = texts.map((text) => text.toLowerCase());
  return words.every((word) => lower.some((text) => text.includes(word)));
}
