/** Costs at doubling sizes. */
export interface Growth {
  /** Costs at 1×, 2×, 4×, and so on. */
  readonly costs: readonly number[];
  /** Costs below the floor are noise, and count as the floor. */
  readonly floor: number;
}

/** Largest allowed power of the size with which work and memory grow. n log n gives about 1.1 for these sizes. */
export const LARGEST_EXPONENT = 1.2;

/**
 * Exponent k of cost = c·sizeᵏ, from logarithms to the base 2: the least of three estimates. The least-squares line through
 * all sizes evens out noise. The line without the smallest size tolerates that only this size fits into caches. The median
 * of the doublings tolerates one step to a more expensive code path. This estimate is at least the last doubling, because
 * no later size could show that a step there is not growth.
 */
export function exponentOf({ costs, floor }: Growth): number {
  const points = costs.map((cost, doublings) => ({ x: doublings, y: Math.log2(Math.max(cost, floor)) }));
  return Math.min(slopeOf(points), slopeOf(points.slice(1)), slopeBesideStep(points));
}

interface Point {
  x: number;
  y: number;
}

function slopeOf(points: readonly Point[]): number {
  const meanX = mean(points.map(({ x }) => x));
  const meanY = mean(points.map(({ y }) => y));
  const covariance = mean(points.map(({ x, y }) => (x - meanX) * (y - meanY)));
  return covariance / mean(points.map(({ x }) => (x - meanX) ** 2));
}

function slopeBesideStep(points: readonly Point[]): number {
  const doublings = points.slice(1).map(({ y }, k) => y - points[k]!.y);
  const median = doublings.toSorted((a, b) => a - b)[Math.floor(doublings.length / 2)]!;
  return Math.max(median, doublings.at(-1)!);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
