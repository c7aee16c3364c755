/** Division of the points of a sampled curve. */

/**
 * Points of the non-finite steps: half of those that are left, or more when the finite steps need fewer.
 * @param left points beside the first and the last step
 */
export const shareOfNonFinite = (left: number, { nonFinite, finite }: { nonFinite: number; finite: number }): number =>
  Math.min(nonFinite, Math.max(1, Math.floor(left / 2), left - finite));

/** Steps of a group whose two ends are shown: all groups together have as many ends as points. */
export function groupSize(count: number, points: number): number {
  return count <= points ? 1 : Math.ceil(count / Math.max(1, Math.floor(points / 2)));
}
