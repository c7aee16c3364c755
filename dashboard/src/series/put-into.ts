/** The coarse points before and after the fine ones, so that lines do not end at the edge of what is in sight. */
export function putInto<Point extends { step: number }>(coarse: readonly Point[], fine: readonly Point[]): Point[] {
  const [first, last] = [fine[0]?.step, fine.at(-1)?.step];
  if (first === undefined || last === undefined) return [...coarse];
  return [...coarse.filter(({ step }) => step < first), ...fine, ...coarse.filter(({ step }) => step > last)];
}
