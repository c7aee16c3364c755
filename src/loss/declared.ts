/** Comparison of a declared loss with computed losses. */

/** Minimum relative tolerance: the error of a float32 sum in another order. */
const FLOAT32_SUM = 1e-5;

/** Maximum relative error of rounding to float16 and to bfloat16. */
const FLOAT16 = 2 ** -11;
const BFLOAT16 = 2 ** -8;

/**
 * Distance within which a computed loss equals the declared one, from the precision of the declared number. A number that
 * float16 or bfloat16 can represent may have been rounded to it, and a number with decimals to its last decimal.
 */
function toleranceOf(declared: number): number {
  const size = Math.abs(declared);
  const decimals = /^-?\d+\.(\d+)$/.exec(String(declared))?.[1];
  const rounded = decimals === undefined ? 0 : 0.5000001 * 10 ** -decimals.length;
  const narrow = isBfloat16(declared) ? BFLOAT16 : isFloat16(declared) ? FLOAT16 : FLOAT32_SUM;
  return Math.max(FLOAT32_SUM * size, rounded, narrow * size);
}

const bits = new DataView(new ArrayBuffer(4));

/** True for a value whose lower half in float32 is 0. */
function isBfloat16(value: number): boolean {
  bits.setFloat32(0, value);
  return bits.getFloat32(0) === value && bits.getUint16(2) === 0;
}

/** True for a value whose 13 lowest bits in float32 are 0, within the range of float16. */
function isFloat16(value: number): boolean {
  bits.setFloat32(0, value);
  return bits.getFloat32(0) === value && (bits.getUint16(2) & 0x1fff) === 0 && Math.abs(value) <= 65504;
}

/** True when a computed loss equals the declared one, within the tolerance. All non-finite losses are equal. */
export function isDeclared(declared: number, computed: number): boolean {
  if (!Number.isFinite(declared)) return !Number.isFinite(computed);
  return Math.abs(declared - computed) <= toleranceOf(declared);
}

/** A named way to compute a loss. */
export type Candidate<Name> = readonly [name: Name, loss: number];

/** The candidate nearest to a finite declared loss, within the tolerance; the first one on ties. */
export function nearestOf<Name>(declared: number, candidates: Iterable<Candidate<Name>>): Name | undefined {
  let least = Number.isFinite(declared) ? toleranceOf(declared) : -1;
  let nearest: Name | undefined;
  for (const [name, loss] of candidates) {
    const distance = Math.abs(declared - loss);
    if (!(distance <= least) || (nearest !== undefined && distance === least)) continue;
    least = distance;
    nearest = name;
  }
  return nearest;
}
