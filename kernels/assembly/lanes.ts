/** The last elements of a span, fewer than a vector. */
import { load1 } from './storage';

const LANES = memory.data(16, 16);

/** One to three elements, the other lanes filled: nothing is read beyond the span. */
// @ts-expect-error: decorator
@inline
export function loadLanes<T>(p: usize, lanes: u32, filler: f32): v128 {
  v128.store(LANES, f32x4.splat(filler));
  for (let lane: u32 = 0; lane < lanes; lane++) {
    store<f32>(LANES + (<usize>lane << 2), <f32>load1<T>(p + <usize>lane * sizeof<T>()));
  }
  return v128.load(LANES);
}

/** The first one to three lanes: nothing is written beyond the span. */
// @ts-expect-error: decorator
@inline
export function storeLanes(p: usize, v: v128, lanes: u32): void {
  v128.store(LANES, v);
  memory.copy(p, LANES, <usize>lanes << 2);
}

/** All bits of the first lanes. */
// @ts-expect-error: decorator
@inline
export function firstLanes(lanes: u32): v128 {
  return i32x4.lt_u(i32x4(0, 1, 2, 3), i32x4.splat(lanes));
}
