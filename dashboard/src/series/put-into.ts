/** Replaces coarse points by fine ones in their range. Coarse points outside it extend the lines beyond the visible part. */
export function putInto<Point extends { step: number }>(coarse: readonly Point[], fine: readonly Point[]): Point[] {
  const [first, last] = [fine[0]?.step, fine.at(-1)?.step];
  if (first === undefined || last === undefined) return [...coarse];
  // Coarse points are updated when ranks report a step later; fine points of losses are read once.
  const newest = new Map(coarse.map((point) => [point.step, point]));
  return [
    ...coarse.filter(({ step }) => step < first),
    ...fine.map((point) => newest.get(point.step) ?? point),
    ...coarse.filter(({ step }) => step > last),
  ];
}
