import { NonFinite } from '../abi';
import { load1 } from './storage';

/** Index of the first of n elements, at or after `from`, of a kind among `kinds`; −1 when there is none. */
export function findNonFinite<T>(p: usize, from: u32, n: u32, kinds: u32): i32 {
  for (let k = from; k < n; k++) {
    const x = load1<T>(p + <usize>k * sizeof<T>());
    const kind: u32 = x != x ? NonFinite.nan : x == Infinity ? NonFinite.posInf : x == -Infinity ? NonFinite.negInf : 0;
    if (kind & kinds) return k;
  }
  return -1;
}

/** Counts the elements among n that equal a value. */
export function countValue<T>(p: usize, n: u32, value: f64): u32 {
  let count: u32 = 0;
  for (let k: u32 = 0; k < n; k++) count += u32(load1<T>(p + <usize>k * sizeof<T>()) == value);
  return count;
}

/**
 * Counts the nonzero elements among n 16-bit floats whose magnitude is below the least normal number.
 * @param leastNormal bits of the least positive normal number
 */
export function countSubnormals(p: usize, n: u32, leastNormal: u32): u32 {
  const magnitude = i16x8.splat(0x7fff);
  const one = i16x8.splat(1);
  const subnormals = i16x8.splat(<i16>(leastNormal - 1));
  let counts = i32x4.splat(0);
  const end = p + (<usize>(n & ~7) << 1);
  for (; p < end; p += 16) {
    // Subtracting 1 maps 0 to the largest value.
    const isSubnormal = i16x8.lt_u(i16x8.sub(v128.and(v128.load(p), magnitude), one), subnormals);
    counts = i32x4.sub(counts, i32x4.extadd_pairwise_i16x8_s(isSubnormal));
  }
  let count =
    i32x4.extract_lane(counts, 0) + i32x4.extract_lane(counts, 1) + i32x4.extract_lane(counts, 2) +
    i32x4.extract_lane(counts, 3);
  for (let rest = n & 7; rest > 0; rest--) {
    const bits: u32 = load<u16>(p) & 0x7fff;
    count += i32(bits != 0 && bits < leastNormal);
    p += 2;
  }
  return count;
}
