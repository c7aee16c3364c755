/** The last elements of a span, a vector of them or fewer. */
import { load1, load4 } from './storage';

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

/** One to four elements, the other lanes 0: nothing is read beyond the span. */
// @ts-expect-error: decorator
@inline
export function loadSome<T>(p: usize, lanes: u32): v128 {
  return lanes == 4 ? load4<T>(p) : loadLanes<T>(p, lanes, 0);
}

/** The first one to four lanes: nothing is written beyond the span. */
// @ts-expect-error: decorator
@inline
export function storeSome(p: usize, v: v128, lanes: u32): void {
  if (lanes == 4) v128.store(p, v);
  else storeLanes(p, v, lanes);
}

/** All bits of the first lanes. */
// @ts-expect-error: decorator
@inline
export function firstLanes(lanes: u32): v128 {
  return i32x4.lt_u(i32x4(0, 1, 2, 3), i32x4.splat(lanes));
}
