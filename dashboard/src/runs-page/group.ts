import type { RunSummary } from '../api/types.ts';

/** Runs with the same value of a label. */
export interface RunGroup {
  /** Value of the label; undefined for runs without the label, and for all runs without grouping. */
  value: string | undefined;
  runs: RunSummary[];
}

const ORDER = new Intl.Collator('en', { numeric: true });

/** Groups runs by a label, each group in the order of the list. Runs without the label come last. */
export function groupRuns(runs: readonly RunSummary[], label: string | undefined): RunGroup[] {
  if (label === undefined) return [{ value: undefined, runs: [...runs] }];
  const groups = Map.groupBy(runs, ({ labels }) => (label in labels ? String(labels[label]) : undefined));
  return [...groups]
    .map(([value, runs]) => ({ value, runs }))
    .toSorted((a, b) => {
      if (a.value === undefined || b.value === undefined)
        return Number(a.value === undefined) - Number(b.value === undefined);
      return ORDER.compare(a.value, b.value);
    });
}

/** Least of the best losses; undefined when no run has one. */
export const bestOf = (runs: readonly RunSummary[]): number | undefined =>
  runs
    .map(({ best_loss: loss }) => loss)
    .filter((loss) => loss !== undefined)
    .toSorted((a, b) => a - b)[0];
