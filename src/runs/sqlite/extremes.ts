import { setImmediate as nextTurn } from 'node:timers/promises';
import type { StepRange } from '../record.ts';
import type { Buckets } from '../scalars.ts';

const IS_FINITE = 'value > -9e999 AND value < 9e999';
const IS_NOT_FINITE = '(value IS NULL OR value <= -9e999 OR value >= 9e999)';

/** Milliseconds after which a scan lets other calls run. */
const TURN_MS = 5;

/** SQL that reads values from the columns `step` and `value` of a bucket. */
interface Wanted {
  columns: string;
  /** Condition that selects rows. */
  condition: string;
}

/** Reads one row about a bucket. @param values of the parameters of `wanted` */
type ReadBucket = (wanted: Wanted, bucket: StepRange, ...values: number[]) => (number | null)[];

/**
 * Steps of each bucket. `finite`: the steps with the least and with the greatest finite value. `nonFinite`: the first and
 * the last step with a non-finite value. Other calls run between the buckets.
 */
export async function extremesOf(
  { from, to, width }: Buckets,
  read: ReadBucket,
): Promise<{ finite: number[]; nonFinite: number[] }> {
  const found = { finite: [] as number[], nonFinite: [] as number[] };
  let endOfTurn = performance.now() + TURN_MS;
  for (let first = from; first <= to; first += width) {
    const bucket = { from: first, to: Math.min(to, first + width - 1) };
    const [least, greatest, nonFinite] = read(SUMMARY, bucket);
    for (const value of [least, greatest]) {
      const at = typeof value === 'number' ? read(FIRST_WITH, bucket, value)[0] : undefined;
      if (typeof at === 'number') found.finite.push(at);
    }
    if (Number(nonFinite) > 0) {
      for (const at of read(ENDS, bucket)) if (typeof at === 'number') found.nonFinite.push(at);
    }
    if (performance.now() < endOfTurn) continue;
    await nextTurn();
    endOfTurn = performance.now() + TURN_MS;
  }
  return found;
}

const SUMMARY: Wanted = {
  columns: `min(value) FILTER (WHERE ${IS_FINITE}), max(value) FILTER (WHERE ${IS_FINITE}), sum(${IS_NOT_FINITE})`,
  condition: 'TRUE',
};
const FIRST_WITH: Wanted = { columns: 'min(step)', condition: 'value = ?' };
const ENDS: Wanted = { columns: 'min(step), max(step)', condition: IS_NOT_FINITE };
