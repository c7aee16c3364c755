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
 * k of cost = c·sizeᵏ: the slope of the least-squares line through log₂ cost over log₂ size. The smallest size is left
 * out where it is cheaper than the others tell: what it works on fits into caches.
 */
export function exponentOf({ costs, floor }: Growth): number {
  const points = costs.map((cost, doublings) => ({ x: doublings, y: Math.log2(Math.max(cost, floor)) }));
  return Math.min(slopeOf(points), slopeOf(points.slice(1)));
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

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
