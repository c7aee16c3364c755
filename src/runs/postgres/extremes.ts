import type { Row } from '../rows.ts';

/**
 * Columns of a bucket: the steps with the least and the greatest finite value, and the first and the last step with a
 * non-finite value.
 * @param value column of the values
 * @param conditions SQL conditions for finite and for non-finite values
 */
export const extremeColumns = (value: string, { finite, nonFinite }: { finite: string; nonFinite: string }): string =>
  // Arrays are compared by value, then by step: among equal values, the first step is taken.
  `(min(ARRAY[${value}, step]) FILTER (WHERE ${finite}))[2] AS least,
    -(max(ARRAY[${value}, -step]) FILTER (WHERE ${finite}))[2] AS greatest,
    min(step) FILTER (WHERE ${nonFinite}) AS first, max(step) FILTER (WHERE ${nonFinite}) AS last`;

/** Steps of buckets. @param rows with the columns of `extremeColumns` */
export function toExtremes(rows: readonly Row[]): { finite: number[]; nonFinite: number[] } {
  const steps = (...names: string[]): number[] =>
    rows.flatMap((row) => names.flatMap((name) => (row[name] === null ? [] : [Number(row[name])])));
  return { finite: steps('least', 'greatest'), nonFinite: steps('first', 'last') };
}
