/** Loads and stores of the last elements of a span, at most one vector. */
import { load1, load4 } from './storage';

const LANES = memory.data(16, 16);

/** Loads one to three elements and fills the other lanes. Reads nothing beyond the span. */
// @ts-expect-error: decorator
@inline
export function loadLanes<T>(p: usize, lanes: u32, filler: f32): v128 {
  v128.store(LANES, f32x4.splat(filler));
  for (let lane: u32 = 0; lane < lanes; lane++) {
    store<f32>(LANES + (<usize>lane << 2), <f32>load1<T>(p + <usize>lane * sizeof<T>()));
  }
  return v128.load(LANES);
}

/** Stores the first one to three lanes. Writes nothing beyond the span. */
// @ts-expect-error: decorator
@inline
export function storeLanes(p: usize, v: v128, lanes: u32): void {
  v128.store(LANES, v);
  memory.copy(p, LANES, <usize>lanes << 2);
}

/** Loads one to four elements and sets the other lanes to 0. Reads nothing beyond the span. */
// @ts-expect-error: decorator
@inline
export function loadSome<T>(p: usize, lanes: u32): v128 {
  return lanes == 4 ? load4<T>(p) : loadLanes<T>(p, lanes, 0);
}

/** Stores the first one to four lanes. Writes nothing beyond the span. */
// @ts-expect-error: decorator
@inline
export function storeSome(p: usize, v: v128, lanes: u32): void {
  if (lanes == 4) v128.store(p, v);
  else storeLanes(p, v, lanes);
}

/** Mask that selects the first lanes. */
// @ts-expect-error: decorator
@inline
export function firstLanes(lanes: u32): v128 {
  return i32x4.lt_u(i32x4(0, 1, 2, 3), i32x4.splat(lanes));
}
