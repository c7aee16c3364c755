import { load1, load4 } from './storage';

/** Stores n elements as float32, exactly. */
export function promote<T>(p: usize, n: u32, out: usize): void {
  const end = p + <usize>(n & ~3) * sizeof<T>();
  for (; p < end; p += 4 * sizeof<T>()) {
    v128.store(out, load4<T>(p));
    out += 16;
  }
  for (let rest = n & 3; rest > 0; rest--) {
    store<f32>(out, <f32>load1<T>(p));
    p += sizeof<T>();
    out += 4;
  }
}
