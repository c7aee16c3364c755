import type { Shard } from './statistic.ts';

/** Returns the first shard with the largest value; NaN counts as no value. */
export function largestOf<Columns>(
  parts: readonly Shard<Columns>[],
  valueOf: (columns: Columns) => number,
): Shard<Columns> {
  return parts.reduce((a, b) => {
    const [one, other] = [valueOf(a.columns), valueOf(b.columns)];
    return other > one || (Number.isNaN(one) && !Number.isNaN(other)) ? b : a;
  });
}
