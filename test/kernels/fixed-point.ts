/** Numbers with 192 bits after the binary point, about 58 decimals: an oracle that is faster than decimal arithmetic. */

const BITS = 192n;
/** Guard bits of exp and log, which absorb their rounding errors. */
const GUARD = 32n;
const WORK = BITS + GUARD;

export const ONE = 1n << BITS;

const view = new DataView(new ArrayBuffer(8));

/** Converts a finite float64. Bits below the last fixed-point place are cut off. */
export function fixed(value: number): bigint {
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const field = (bits >> 52n) & 0x7ffn;
  const mantissa = (bits & (2n ** 52n - 1n)) | (field === 0n ? 0n : 2n ** 52n);
  const shift = BITS - 1075n + (field === 0n ? 1n : field);
  const magnitude = shift >= 0n ? mantissa << shift : mantissa >> -shift;
  return value < 0 ? -magnitude : magnitude;
}

/** The nearest float64, or a neighbour of it. */
export function toNumber(value: bigint): number {
  const magnitude = value < 0n ? -value : value;
  const excess = Math.max(0, magnitude.toString(2).length - 64);
  const leading = Number(magnitude >> BigInt(excess));
  return (value < 0n ? -leading : leading) * 2 ** (excess - Number(BITS));
}

export const times = (a: bigint, b: bigint): bigint => (a * b) >> BITS;
export const over = (a: bigint, b: bigint): bigint => (a << BITS) / b;

/** ln 2 = 2·artanh(1/3) */
const LN2 = (() => {
  let sum = 0n;
  let power = (2n << WORK) / 3n;
  for (let k = 1n; power > 0n; k += 2n) {
    sum += power / k;
    power /= 9n;
  }
  return sum;
})();

/** Number of halvings of the argument before the series of exp. Squaring undoes them. */
const HALVINGS = 8n;

export function exp(x: bigint): bigint {
  const wide = x << GUARD;
  const n = wide / LN2;
  if (n < -BITS - 1n) return 0n;
  const r = (wide - n * LN2) >> HALVINGS;
  let sum = 1n << WORK;
  let term = sum;
  for (let k = 1n; term !== 0n && term !== -1n; k++) {
    term = ((term * r) >> WORK) / k;
    sum += term;
  }
  for (let k = 0n; k < HALVINGS; k++) sum = (sum * sum) >> WORK;
  const shift = GUARD - n;
  return shift >= 0n ? sum >> shift : sum << -shift;
}

/** The natural logarithm of a positive number, by Newton's iteration from its logarithm in float64. */
export function log(x: bigint): bigint {
  const exponent = BigInt(x.toString(2).length) - 1n - BITS;
  const mantissa = exponent >= 0n ? x >> exponent : x << -exponent;
  let y = fixed(Math.log(toNumber(mantissa)));
  // Each step triples the number of correct digits: y + 2·(m − e^y)/(m + e^y).
  for (let k = 0; k < 2; k++) {
    const e = exp(y);
    y += (2n * (mantissa - e) * ONE) / (mantissa + e);
  }
  return y + ((exponent * LN2) >> GUARD);
}
