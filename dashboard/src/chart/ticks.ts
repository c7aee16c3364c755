/** Approximate number of linear ticks of a vertical axis. */
const WANTED = 9;

/** Readable distances of ticks, as multiples of a power of ten. */
const DIGITS = [1, 2, 5, 10];

/**
 * Ticks of a logarithmic axis. Powers of ten, when the range has several. A loss mostly stays within one decade. Then the
 * ticks are those of a linear axis, which are closer together towards the top.
 */
export function logTicks(low: number, high: number): number[] {
  const decades = Math.log10(high / low);
  if (decades < 1.3) return linearTicks(low, high);
  const digits = decades > 4 ? [1] : [1, 2, 5];
  const powers = Array.from({ length: Math.ceil(decades) + 2 }, (_, k) => Math.floor(Math.log10(low)) + k);
  const every = Math.max(1, Math.round(decades / 10));
  return powers
    .filter((power) => power % every === 0)
    .flatMap((power) => digits.map((digit) => Number(`${digit}e${power}`)))
    .filter((tick) => tick >= low && tick <= high);
}

function linearTicks(low: number, high: number): number[] {
  const rough = (high - low) / WANTED;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = DIGITS.find((digit) => digit * power >= rough)! * power;
  const first = Math.ceil(low / step);
  const count = Math.floor(high / step) - first + 1;
  // Multiples, not repeated sums, in which rounding errors would accumulate.
  return Array.from({ length: count }, (_, k) => Number(((first + k) * step).toPrecision(12)));
}

/** Extends a range of positive numbers by the same ratio at both ends: by 5 % of its logarithmic length, at least 2 %. */
export function logRange(low: number, high: number): [number, number] {
  const room = Math.max(1.02, (high / low) ** 0.05);
  return [low / room, high * room];
}
