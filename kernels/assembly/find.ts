import { load1 } from './storage';

/** Kinds of non-finite values, as bits. */
const NAN: u32 = 1;
const POS_INF: u32 = 2;
const NEG_INF: u32 = 4;

/** The first of n elements, at or after `from`, whose kind is among `kinds`; −1 when there is none. */
export function findNonFinite<T>(p: usize, from: u32, n: u32, kinds: u32): i32 {
  for (let k = from; k < n; k++) {
    const x = load1<T>(p + <usize>k * sizeof<T>());
    const kind: u32 = x != x ? NAN : x == Infinity ? POS_INF : x == -Infinity ? NEG_INF : 0;
    if (kind & kinds) return k;
  }
  return -1;
}
