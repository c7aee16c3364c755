import { load1 } from './storage';

/**
 * x = cap·tanh(scale·logit / cap) of n elements, in float64, where the rounding of x does not show in lse.
 * @param cap 0 for none: x = scale·logit
 * @param out f64, an entry per element
 */
export function transform<T>(logits: usize, n: u32, scale: f64, cap: f64, out: usize): void {
  for (let k: u32 = 0; k < n; k++) {
    let x = scale * load1<T>(logits + <usize>k * sizeof<T>());
    if (cap != 0) x = cap * Math.tanh(x / cap);
    store<f64>(out + (<usize>k << 3), x);
  }
}
