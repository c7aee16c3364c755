/** Division of the points of a sampled curve. */

/**
 * Number of points for the non-finite steps: half of the remaining points, or more when the finite steps need fewer.
 * @param left number of points without the first and the last step
 */
export const shareOfNonFinite = (left: number, { nonFinite, finite }: { nonFinite: number; finite: number }): number =>
  Math.min(nonFinite, Math.max(1, Math.floor(left / 2), left - finite));

/** Number of steps in a group: 1 when all steps fit, otherwise enough for `points` / 2 groups, each with two ends. */
export function groupSize(count: number, points: number): number {
  return count <= points ? 1 : Math.ceil(count / Math.max(1, Math.floor(points / 2)));
}
