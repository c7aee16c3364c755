/** Costs of something at sizes that double. */
export interface Growth {
  /** Costs at 1×, 2×, 4× and 8×. */
  readonly costs: readonly number[];
  /** Costs up to this are noise, and count as this. */
  readonly floor: number;
}

/** Work and memory may grow with this power of the size: n log n has about 1.1 here. */
export const LARGEST_EXPONENT = 1.2;

/**
 * k of cost = c·sizeᵏ, in logarithms to the base 2: the least of three slopes, each blind to one thing that is no growth.
 * The least-squares line through all sizes evens out noise; the one without the smallest size takes no offence where
 * that alone fits into caches; the median over the doublings ignores one step, where a dearer way begins.
 */
export function exponentOf({ costs, floor }: Growth): number {
  const points = costs.map((cost, doublings) => ({ x: doublings, y: Math.log2(Math.max(cost, floor)) }));
  return Math.min(slopeOf(points), slopeOf(points.slice(1)), medianSlopeOf(points));
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

function medianSlopeOf(points: readonly Point[]): number {
  const slopes = points.slice(1).map(({ x, y }, k) => (y - points[k]!.y) / (x - points[k]!.x));
  return slopes.toSorted((a, b) => a - b)[Math.floor(slopes.length / 2)]!;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
