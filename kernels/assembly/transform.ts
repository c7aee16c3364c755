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

/**
 * The chain rule: from a gradient with respect to x to that with respect to the logits, in place. dx / dlogit is
 * scale·(1 − tanh²), and 1 − tanh² = 4e / (1 + e)² with e = exp(−2·|scale·logit / cap|), in which nothing cancels.
 * @param g f64, an entry per element
 */
export function chain<T>(logits: usize, n: u32, scale: f64, cap: f64, g: usize): void {
  for (let k: u32 = 0; k < n; k++) {
    let slope = scale;
    if (cap != 0) {
      const e = Math.exp((-2 * scale / cap) * abs(load1<T>(logits + <usize>k * sizeof<T>())));
      slope *= (4 * e) / ((1 + e) * (1 + e));
    }
    const at = g + (<usize>k << 3);
    store<f64>(at, load<f64>(at) * slope);
  }
}
