/** Cost limits of a request, and messages about costs above them. */
import { median, time } from '../../bench/statistics.ts';
import { FURTHER_SIZE, SIZES } from './cases/case.ts';
import { LARGEST_EXPONENT, exponentOf } from './scaling.ts';

/** Costs of one size of a case. */
export interface Cost {
  /** Milliseconds of processor time of all threads. */
  readonly processorTime: number;
  /** Megabytes of growth of the resident memory, and megabytes of its peak. */
  readonly memory: number;
  readonly peak: number;
  /** Milliseconds of processor time of the longest turn of the main thread. */
  readonly longestTurn: number;
}

/** Costs below which growth is not judged, because a thread may start and a heap grows in steps. */
const FLOORS = { processorTime: 20, memory: 100 };

/** Milliseconds in which this machine parses a JSON object of 50,000 members: the median of nine times. */
function parsingTime(): number {
  const text = JSON.stringify(Object.fromEntries(Array.from({ length: 50_000 }, (_, k) => [`member ${k}`, k])));
  return median(Array.from({ length: 9 }, () => time(() => JSON.parse(text))));
}

/** Factor of the limits of time, on a machine that is slower than 10.4 ms for that text. */
const SLOWNESS = Math.max(1, parsingTime() / 10.4);

/** 20 ms, plus an allowance for the interval of the monitor and for garbage collections. */
const LONGEST_TURN_MS = 28 * SLOWNESS;

/** Megabytes that may be resident in addition to the bytes in flight. */
const MEMORY_BESIDE = 300;

const SLOWEST_PROBE_MS = 300 * SLOWNESS;
const SLOWEST_PROBE_P99_MS = 100 * SLOWNESS;

/** The smaller of two measurements at each size: other work of the machine can only increase a cost. */
export function leastOf(some: readonly Cost[], others: readonly Cost[]): Cost[] {
  return some.map((cost, k) => {
    const other = others[k] ?? cost;
    return {
      processorTime: Math.min(cost.processorTime, other.processorTime),
      memory: Math.min(cost.memory, other.memory),
      peak: Math.min(cost.peak, other.peak),
      longestTurn: Math.min(cost.longestTurn, other.longestTurn),
    };
  });
}

export interface Budget {
  /** Limit of bytes in flight. */
  bytesInFlight: number;
  /** Concurrent requests. With `many`, turns are not limited: several turns fall between two samples of the monitor. */
  requests: 'one' | 'many';
}

const TURN = {
  quantity: 'longestTurn',
  limit: LONGEST_TURN_MS,
  what: 'ms of the main thread in one turn',
} as const;

/** @param costs costs at the sizes in SIZES, and possibly at FURTHER_SIZE, which counts only for growth */
export function costFaults(costs: readonly Cost[], { bytesInFlight, requests }: Budget): string[] {
  return [
    ...growthFaults(costs, 'processorTime', 'ms'),
    ...growthFaults(costs, 'memory', 'MB'),
    ...(requests === 'one' ? limitFaults(costs, TURN) : []),
    ...limitFaults(costs, { quantity: 'peak', limit: bytesInFlight / 1e6 + MEMORY_BESIDE, what: 'MB resident' }),
  ];
}

function growthFaults(costs: readonly Cost[], quantity: 'processorTime' | 'memory', unit: string): string[] {
  const values = costs.map((cost) => cost[quantity]);
  if (values.length < SIZES.length) return [];
  const exponent = exponentOf({ costs: values, floor: FLOORS[quantity] });
  if (exponent <= LARGEST_EXPONENT) return [];
  return [`${quantity} grows with the power ${exponent.toFixed(2)} of the size: ${list(values)} ${unit}`];
}

function limitFaults(
  costs: readonly Cost[],
  { quantity, limit, what }: { quantity: keyof Cost; limit: number; what: string },
): string[] {
  const values = costs.slice(0, SIZES.length).map((cost) => cost[quantity]);
  return values.every((value) => value <= limit)
    ? []
    : [`${list(values)} ${what}, at most ${limit.toFixed(0)} allowed`];
}

function list(values: readonly number[]): string {
  const sizes = [...SIZES, FURTHER_SIZE];
  return values.map((value, k) => `${value.toFixed(0)} at ${sizes[k]}×`).join(', ');
}

/** @param times milliseconds of the answers to `/livez` during a case */
export function probeFaults(times: readonly number[]): string[] {
  const slowest = Math.max(0, ...times);
  return slowest > SLOWEST_PROBE_MS ? [`/livez took ${slowest.toFixed(0)} ms`] : [];
}

/** @param times milliseconds of the answers during all cases */
export function percentileFaults(times: readonly number[]): string[] {
  const sorted = times.toSorted((a, b) => a - b);
  const p99 = sorted[Math.floor(0.99 * (sorted.length - 1))] ?? 0;
  return p99 > SLOWEST_PROBE_P99_MS ? [`/livez took ${p99.toFixed(0)} ms at the 99th percentile`] : [];
}
