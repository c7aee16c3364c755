/**
 * Converts float8 to bfloat16, which represents every value of both formats: 16 elements at a time, with separate
 * vectors for upper and lower bytes. The 8-bit integer types of AssemblyScript stand for the formats.
 */

/**
 * Constants of a format, in memory, because literal splats would be propagated into the loop. First the upper, then the
 * lower bytes of the bfloat16 of 0 and the subnormals, by magnitude. Then the change of the exponent's bias as upper
 * byte, the least normal magnitude, the greatest finite one, and the mask of magnitudes.
 */
const E4M3 = memory.data<u8>([
  0, 0x3b, 0x3b, 0x3b, 0x3c, 0x3c, 0x3c, 0x3c, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0x80, 0xc0, 0, 0x20, 0x40, 0x60, 0, 0, 0, 0, 0, 0, 0, 0,
  0x3c, 8, 0x7e, 0x7f,
]);
const E5M2 = memory.data<u8>([
  0, 0x37, 0x38, 0x38, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0x80, 0, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0x38, 4, 0x7b, 0x7f,
]);

/**
 * Widens n elements. bfloat16 has 7 bits of mantissa, so a normal magnitude is shifted by 4 (e4m3fn) or 5 bits (e5m2), and
 * its exponent gets another bias, 127 for 7 or 15. Reads and stores whole vectors of 16 elements.
 * @param out u16, an entry per element
 */
export function widen<T>(p: usize, n: u32, out: usize): void {
  const isE4M3 = isSigned<T>();
  const shift = isE4M3 ? 4 : 5;
  const constants = isE4M3 ? E4M3 : E5M2;
  const uppers = v128.load(constants);
  const lowers = v128.load(constants, 16);
  const bias = v128.load8_splat(constants, 32);
  const leastNormal = v128.load8_splat(constants, 33);
  const greatest = v128.load8_splat(constants, 34);
  const magnitudeBits = v128.load8_splat(constants, 35);
  for (const end = p + n; p < end; p += 16) {
    const bits = v128.load(p);
    const magnitude = v128.and(bits, magnitudeBits);
    const isSubnormal = i8x16.lt_s(magnitude, leastNormal);
    const normalUpper = i8x16.add(i8x16.shr_u(magnitude, 8 - shift), bias);
    let upper = v128.bitselect(i8x16.swizzle(uppers, magnitude), normalUpper, isSubnormal);
    const lower = v128.bitselect(i8x16.swizzle(lowers, magnitude), i8x16.shl(magnitude, shift), isSubnormal);
    // Sets all bits of the exponent for ±Inf and NaN. The lower byte of NaN is not 0x80, as that of Inf is.
    upper = v128.or(upper, v128.and(i8x16.gt_s(magnitude, greatest), magnitudeBits));
    upper = v128.or(upper, v128.andnot(bits, magnitudeBits));
    v128.store(out, i8x16.shuffle(lower, upper, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23));
    v128.store(out, i8x16.shuffle(lower, upper, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31), 16);
    out += 32;
  }
}
