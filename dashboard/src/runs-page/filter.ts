import type { RunSummary } from '../api/types.ts';

/** Whether every word stands in the run's name or in one of its labels, as `name=value`. */
export function matches({ run, labels }: Pick<RunSummary, 'run' | 'labels'>, filter: string): boolean {
  const texts = [run, ...Object.entries(labels).map(([name, value]) => `${name}=${value}`)].map((text) =>
    text.toLowerCase(),
  );
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  return words.every((word) => texts.some((text) => text.includes(word)));
}
