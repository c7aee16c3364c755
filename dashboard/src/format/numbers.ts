/** Formats a loss with four decimals, or with a power of ten below 0.001 and from 100 000 on. */
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
export const plural = (count: number, noun: string, several = `${noun}s`): string =>
  `${formatCount(count)} ${count === 1 ? noun : several}`;

/** Formats a fraction as a percentage with three decimals. */
export const formatPercent = (fraction: number | undefined): string =>
  fraction === undefined || !Number.isFinite(fraction)
    ? formatLoss(fraction)
    : `${(100 * fraction).toFixed(3).replace('-', '−')} %`;

/** Formats the end of a logarithmic axis. */
export const formatPower = (value: number): string => value.toExponential(0).replace('-', '−').replace('+', '');

/** Formats a size in bytes with its unit. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const numberIn = (power: number): string => (bytes / 1024 ** power).toFixed(power === 0 ? 0 : 1);
  let power = 0;
  while (power < units.length - 1 && Number(numberIn(power)) >= 1024) power++;
  return `${numberIn(power)} ${units[power]}`;
}
