/** A loss as people read it: four decimals, or powers of ten where these would say nothing. */
export function formatLoss(value: number | undefined): string {
  if (value === undefined) return '–';
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '−Inf';
  const magnitude = Math.abs(value);
  const isOrdinary = value === 0 || (magnitude >= 1e-3 && magnitude < 1e5);
  return (isOrdinary ? value.toFixed(4) : value.toExponential(3)).replace('-', '−');
}

const INTEGERS = new Intl.NumberFormat('en');

export const formatCount = (value: number): string => INTEGERS.format(value);

/** @example plural(2, 'step') // '2 steps' */
export const plural = (count: number, noun: string): string => `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
