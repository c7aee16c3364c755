/** Address at which free memory begins. */
export function heapBase(): usize {
  return __heap_base;
}

/** True when the relaxed multiply-add rounds once: then (1 + 2^-12)² − (1 + 2^-11) is 2^-24, otherwise 0. */
export function multiplyAddIsFused(): bool {
  if (!ASC_FEATURE_RELAXED_SIMD) return false;
  const a = f32x4.splat(1.000244140625);
  const c = f32x4.splat(-1.00048828125);
  return f32x4.extract_lane(f32x4.relaxed_madd(v128.load(storeOnce(a)), a, c), 0) != 0;
}

const SCRATCH = memory.data(16, 16);

/** Stores a factor in memory, so that the compiler cannot fold the product. */
function storeOnce(v: v128): usize {
  v128.store(SCRATCH, v);
  return SCRATCH;
}
