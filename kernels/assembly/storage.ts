/**
 * Loads elements of a storage type. Generics select the conversion by the storage type at compile time, so one source
 * serves every dtype. A storage type has the name of the dtype's prefix. AssemblyScript has no 16-bit floats: signed
 * integers stand for float16, unsigned for bfloat16.
 */
export type f16 = i16;
export type bf16 = u16;

/** 8-bit floats, which `widen` converts to bfloat16: signed integers stand for float8_e4m3fn, unsigned for float8_e5m2. */
export type f8e4m3 = i8;
export type f8e5m2 = u8;

/** Four elements as f32x4. Exact for every input: subnormals, ±Inf and NaN keep their meaning. */
// @ts-expect-error: decorator
@inline
export function load4<T>(p: usize): v128 {
  if (isFloat<T>()) return v128.load(p);
  if (isSigned<T>()) return widenFloat16(v128.load16x4_u(p));
  return i32x4.shl(v128.load16x4_u(p), 16);
}

/** One element as f64: by the same conversion, which is exact. */
// @ts-expect-error: decorator
@inline
export function load1<T>(p: usize): f64 {
  if (isFloat<T>()) return <f64>load<T>(p);
  if (isSigned<T>()) return <f64>f32x4.extract_lane(widenFloat16(i32x4.splat(load<u16>(p))), 0);
  return <f64>reinterpret<f32>(<u32>load<u16>(p) << 16);
}

/** Mask for sign, exponent and mantissa of a shifted float16, and the factor 2^112: see loadFloat16. */
export const FLOAT16_CONSTANTS = memory.data<u32>([0x8fffe000, 0x77800000]);

/**
 * Four float16, to be multiplied by 2^112. The shifts put sign, exponent and mantissa where float32 has them; the
 * multiplication moves the exponent's bias from 15 to 127 and makes subnormals normal. ±Inf and NaN come out finite,
 * of magnitude 65536 and more.
 */
// @ts-expect-error: decorator
@inline
export function loadFloat16(p: usize, mask: v128): v128 {
  return placeFloat16(v128.load16x4_u(p), mask);
}

// @ts-expect-error: decorator
@inline
function placeFloat16(bits: v128, mask: v128): v128 {
  return v128.and(i32x4.shr_s(i32x4.shl(bits, 16), 3), mask);
}

/** float16 bits in 32-bit lanes to f32x4: an exponent field of all ones (±Inf, NaN) is set to all ones again. */
// @ts-expect-error: decorator
@inline
function widenFloat16(bits: v128): v128 {
  const placed = placeFloat16(bits, v128.load32_splat(FLOAT16_CONSTANTS));
  const exponent = i32x4.splat(0x0f800000);
  const special = v128.and(i32x4.eq(v128.and(placed, exponent), exponent), i32x4.splat(0x7f800000));
  return v128.or(f32x4.mul(placed, v128.load32_splat(FLOAT16_CONSTANTS + 4)), special);
}
