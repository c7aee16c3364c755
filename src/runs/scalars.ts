/** Named numbers of steps, besides the loss. */
import type { StepRange } from './record.ts';
import { ExactSum } from '../exact-sum.ts';
import { SPIKE_RULE, findSpikes, isSpike } from '../loss/spike.ts';

/** Most names of scalars in a run. */
export const MOST_SERIES = 4096;

/** Most earlier numbers that a point is compared with. */
const MOST_COMPARED = 1024;

/** Rows in the first read of a segment, when a caller may need only one step, and in each further read. */
const FIRST_ROWS = 64;
const ROWS_AT_ONCE = 10_000;

/** Points that are read concurrently. */
const POINTS_AT_ONCE = 100;

/** Most attempts of an answer, and of a curve. */
export const MOST_ATTEMPTS = 10_000;

/** A scalar of a run. */
export interface ScalarSummary {
  name: string;
  /** Number of recorded values over all steps, ranks and attempts. */
  points: number;
  last: ScalarValue | undefined;
}

/** A scalar at a step. */
export interface ScalarValue {
  step: number;
  attempt: number;
  /** Mean over the ranks. */
  value: number;
  ranks: number;
  /** Least and greatest finite number of a rank; undefined when no rank has a finite number. */
  range: { min: number; max: number } | undefined;
  nonFinite: boolean;
}

interface ScalarPoint extends ScalarValue {
  /** True when the value is a spike compared with the steps before. */
  spike: boolean;
}

/** Some points of a curve. */
export interface ScalarPage {
  points: ScalarPoint[];
  /** Step of the next point; undefined at the end of the range. */
  next: number | undefined;
}

/** Query for points of a curve. */
export interface ScalarQuery extends StepRange {
  /** Attempt whose steps are read, superseded or not; undefined for the curve. */
  attempt: number | undefined;
  /** Most points of a sample that shows the shape of the range; undefined for consecutive points. */
  maxPoints: number | undefined;
  /** Most consecutive points. */
  limit: number;
}

/** An attempt of a run. */
export interface Attempt {
  attempt: number;
  firstStep: number;
  /** False when a later attempt began at or before its first step. */
  isLive: boolean;
}

/** Steps of one attempt, both ends included. */
export interface Segment extends StepRange {
  attempt: number;
}

/** A number of one rank at a step. */
export type ScalarRow = [step: number, rank: number, value: number];

/** Steps of a segment, in buckets of `width` steps from `from` on. */
export interface Buckets extends Segment {
  width: number;
}

/** Place in an export of scalars, after which the export continues. */
export interface ScalarPlace {
  series: number;
  attempt: number;
  step: number;
  rank: number;
}

/** A number of the curve of a run. */
interface ExportedScalar {
  step: number;
  attempt: number;
  rank: number;
  name: string;
  value: number;
}

/** Some numbers of all series of a run, without superseded ones. */
export interface ScalarExportPage {
  rows: ExportedScalar[];
  /** Place of the last row that was read; undefined at the end. */
  next: ScalarPlace | undefined;
}

/** Rows of one series of a run in a database. */
export interface ScalarRows {
  /** Live attempts that begin at or before the step `to`, in the order of their first steps. */
  liveAttempts(to: number, limit: number): Promise<Attempt[]>;
  /** Rows of a segment after a step and a rank, in this order. */
  rows(segment: Segment, after: readonly [step: number, rank: number], limit: number): Promise<ScalarRow[]>;
  /** The last rows of a segment, in descending order. */
  lastRows(segment: Segment, limit: number): Promise<ScalarRow[]>;
  /** The first distinct steps of a segment. */
  steps(segment: Segment, limit: number): Promise<number[]>;
  /** The first and the last step of a segment; undefined when it is empty. */
  ends(segment: Segment): Promise<StepRange | undefined>;
  /**
   * Steps of each bucket. `finite`: the steps with the least and with the greatest finite number. `nonFinite`: the first and
   * the last step with a non-finite number.
   */
  extremes(buckets: Buckets): Promise<{ finite: number[]; nonFinite: number[] }>;
}

/** Segments of all live attempts, or the segment of one attempt. */
async function segmentsOf(
  rows: Pick<ScalarRows, 'liveAttempts'>,
  { from, to }: StepRange,
  attempt: number | undefined,
): Promise<Segment[]> {
  if (attempt !== undefined) return [{ attempt, from, to }];
  const live = await rows.liveAttempts(to, MOST_ATTEMPTS);
  return live
    .map((one, k) => ({
      attempt: one.attempt,
      from: Math.max(from, one.firstStep),
      to: Math.min(to, (live[k + 1]?.firstStep ?? Infinity) - 1),
    }))
    .filter((segment) => segment.from <= segment.to);
}

/** Value at the last step of the curve; undefined for an empty curve. */
export async function lastValue(rows: ScalarRows): Promise<ScalarValue | undefined> {
  const segments = await segmentsOf(rows, { from: 0, to: Number.MAX_SAFE_INTEGER }, undefined);
  for (const segment of segments.toReversed()) {
    const [last] = await rows.lastRows(segment, 1);
    if (last === undefined) continue;
    for await (const value of valuesOf(rows, { ...segment, from: last[0], to: last[0] })) return value;
  }
  return undefined;
}

/** Points of a scalar. */
export function readScalar(rows: ScalarRows, query: ScalarQuery): Promise<ScalarPage> {
  return query.maxPoints === undefined ? scalarPoints(rows, query) : scalarSample(rows, query, query.maxPoints);
}

/** Points of a range in their order. */
async function scalarPoints(rows: ScalarRows, { attempt, limit, ...range }: ScalarQuery): Promise<ScalarPage> {
  const segments = await segmentsOf(rows, range, attempt);
  const values: ScalarValue[] = [];
  for (const segment of segments) {
    for await (const value of valuesOf(rows, segment)) {
      values.push(value);
      if (values.length > limit) break;
    }
    if (values.length > limit) break;
  }
  const shown = values.slice(0, limit);
  const before = shown.length === 0 ? [] : await valuesBefore(rows, await toStep(rows, shown[0]!, attempt), shown[0]!);
  const spikes = findSpikes([...before, ...shown.map(({ value }) => value)]).slice(before.length);
  return { points: shown.map((value, k) => ({ ...value, spike: spikes[k]! })), next: values[limit]?.step };
}

/** Segments of the curve up to a point. */
const toStep = (rows: ScalarRows, { step }: ScalarValue, attempt: number | undefined): Promise<Segment[]> =>
  segmentsOf(rows, { from: 0, to: step }, attempt);

/** Points that show the shape of a range: its ends, and the extremes of buckets of equal width in steps. */
async function scalarSample(
  rows: ScalarRows,
  { attempt, ...range }: ScalarQuery,
  maxPoints: number,
): Promise<ScalarPage> {
  const wide = await segmentsOf(rows, { from: 0, to: range.to }, attempt);
  const segments = wide
    .map((segment) => ({ ...segment, from: Math.max(segment.from, range.from) }))
    .filter((segment) => segment.from <= segment.to);
  const all: { segment: Segment; steps: number[] }[] = [];
  let count = 0;
  for (const segment of segments) {
    const steps = await rows.steps(segment, maxPoints + 1 - count);
    all.push({ segment, steps });
    count += steps.length;
    if (count > maxPoints) break;
  }
  const picked = count <= maxPoints ? all : await pick(rows, segments, maxPoints);
  const found = picked.flatMap(({ segment, steps }) => steps.map((step) => ({ segment, step })));
  // Each attempt has two ends, so many attempts can have more than maxPoints.
  const every = Math.ceil(found.length / maxPoints);
  const places = found.filter((_, k) => k % every === 0);
  const points: ScalarPoint[] = [];
  for (let at = 0, ranks = 1; at < places.length; at += POINTS_AT_ONCE) {
    const some = await Promise.all(
      places
        .slice(at, at + POINTS_AT_ONCE)
        .map(({ segment, step }) => judgedAt(rows, wide, { ...segment, from: 0, to: step }, ranks)),
    );
    for (const point of some) if (point !== undefined) points.push(point);
    ranks = points.at(-1)?.ranks ?? 1;
  }
  return { points, next: undefined };
}

/**
 * The point at the end of a segment, compared with the points before it; undefined when its rows were deleted meanwhile.
 * @param ranks estimated number of ranks of a step
 */
async function judgedAt(
  rows: ScalarRows,
  segments: readonly Segment[],
  segment: Segment,
  ranks: number,
): Promise<ScalarPoint | undefined> {
  const limit = Math.min(MOST_COMPARED, (SPIKE_RULE.window + 1) * ranks) + 1;
  const found = await rows.lastRows(segment, limit);
  if (found[0]?.[0] !== segment.to) return undefined;
  const values = combined(segment.attempt, found.toReversed());
  const isCut = found.length === limit;
  let point = values.at(-1)!;
  if (isCut && values.length === 1) {
    for await (const whole of valuesOf(rows, { ...segment, from: segment.to })) point = whole;
  }
  if (!Number.isFinite(point.value)) return { ...point, spike: false };
  const known = values.slice(isCut ? 1 : 0, -1).filter(({ value }) => Number.isFinite(value));
  const before =
    known.length >= SPIKE_RULE.window
      ? known.map(({ value }) => value).slice(-SPIKE_RULE.window)
      : await valuesBefore(rows, segments, point);
  return { ...point, spike: isSpike(point.value, before) };
}

async function pick(
  rows: ScalarRows,
  segments: readonly Segment[],
  maxPoints: number,
): Promise<{ segment: Segment; steps: number[] }[]> {
  const ends: { segment: Segment; range: StepRange }[] = [];
  for (const segment of segments) {
    const range = await rows.ends(segment);
    if (range !== undefined) ends.push({ segment, range });
  }
  const total = ends.reduce((sum, { range }) => sum + range.to - range.from + 1, 0);
  const picked: { segment: Segment; steps: number[] }[] = [];
  for (const { segment, range } of ends) {
    const own = { ...segment, ...range };
    const length = range.to - range.from + 1;
    const share = Math.floor((maxPoints * length) / total) - 2;
    const inBuckets = (count: number): ReturnType<ScalarRows['extremes']> =>
      rows.extremes({ ...own, width: Math.ceil(length / Math.max(1, Math.floor(count))) });
    const all = await inBuckets(share / 2);
    // Non-finite numbers are rare: nearly always all of them fit.
    const isFull = all.finite.length + all.nonFinite.length > share && all.nonFinite.length > 0;
    const { finite, nonFinite } = isFull ? await inBuckets(share / 4) : all;
    const steps = new Set([range.from, ...nonFinite, ...finite, range.to]);
    picked.push({ segment, steps: [...steps].toSorted((a, b) => a - b) });
  }
  return picked;
}

/** Finite values of the steps before a point, in their order. @param segments of the curve */
async function valuesBefore(
  rows: ScalarRows,
  segments: readonly Segment[],
  { step, ranks }: ScalarValue,
): Promise<number[]> {
  const before: number[] = [];
  let left = MOST_COMPARED;
  for (const segment of segments.toReversed()) {
    if (segment.from >= step) continue;
    const limit = Math.min(left, SPIKE_RULE.window * ranks + 1);
    const found = await rows.lastRows({ ...segment, to: Math.min(segment.to, step - 1) }, limit);
    // The limit may have cut off some ranks of the first step.
    const isCut = found.length === limit;
    const values = combined(segment.attempt, found.toReversed()).slice(isCut ? 1 : 0);
    before.unshift(...values.map(({ value }) => value).filter(Number.isFinite));
    left -= found.length;
    if (before.length >= SPIKE_RULE.window || left <= 0) break;
  }
  return before.slice(-SPIKE_RULE.window);
}

/** Values of the steps of a segment, in their order. */
async function* valuesOf(rows: ScalarRows, segment: Segment): AsyncGenerator<ScalarValue, void> {
  let open: ScalarRow[] = [];
  let after: readonly [step: number, rank: number] = [segment.from, -1];
  for (let limit = FIRST_ROWS; ; limit = ROWS_AT_ONCE) {
    const found = await rows.rows(segment, after, limit);
    open.push(...found);
    const isEnd = found.length < limit;
    const values = combined(segment.attempt, open);
    yield* isEnd ? values : values.slice(0, -1);
    if (isEnd) return;
    const [step, rank] = found.at(-1)!;
    after = [step, rank];
    open = open.filter((row) => row[0] === step);
  }
}

/** Combines the ranks of steps. @param rows in the order of step and rank */
function combined(attempt: number, rows: readonly ScalarRow[]): ScalarValue[] {
  const values: ScalarValue[] = [];
  for (let at = 0; at < rows.length;) {
    const step = rows[at]![0];
    let end = at + 1;
    while (rows[end]?.[0] === step) end++;
    values.push(combine(attempt, step, rows.slice(at, end)));
    at = end;
  }
  return values;
}

function combine(attempt: number, step: number, ranks: readonly ScalarRow[]): ScalarValue {
  const finite = ranks.filter(([, , value]) => Number.isFinite(value));
  const first = ranks[0]![2];
  return {
    step,
    attempt,
    ranks: ranks.length,
    nonFinite: finite.length < ranks.length,
    value: ranks.length === 1 ? first : ExactSum.of(ranks.map(([, , value]) => value)).value / ranks.length,
    range:
      finite.length === 0
        ? undefined
        : {
            min: finite.reduce((least, [, , value]) => Math.min(least, value), Infinity),
            max: finite.reduce((greatest, [, , value]) => Math.max(greatest, value), -Infinity),
          },
  };
}
