import { RowBlockLayout } from '../layouts';
import { forwardRow } from './forward';
import { load1 } from './storage';

/** Results of a row that is evaluated a second time, without its target. */
const ONE_ROW = memory.data(64, 16);

/**
 * Greatest distance of the target above the value to which exponentials are relative. exp 22 is far below the maximum
 * of float32.
 */
const HIGHEST_TARGET: f64 = 22;

/**
 * Evaluates rows as `forward` does, and keeps their exponentials exp(scale·(x − origin)), including the target's.
 * @param first first row
 * @param end row after the last
 * @param out columns of RowBlock, of all rows
 * @param kept an entry per class from row `first` on: float64 for float64, else float32. Meaningless where lse is not
 *   finite
 * @param origins f64, an entry per row
 */
// @ts-expect-error: decorator
@inline
export function keepExponentials<T>(
  logits: usize, rows: u32, classes: u32, targets: usize, scale: f64, out: usize, first: u32, end: u32, kept: usize,
  origins: usize,
): void {
  const width: usize = sizeof<T>() == 8 ? 8 : 4;
  for (let row = first; row < end; row++) {
    const p = logits + <usize>row * <usize>classes * sizeof<T>();
    const keepAt = kept + <usize>(row - first) * <usize>classes * width;
    const target = load<i32>(targets + (<usize>row << 2));
    let origin = forwardRow<T>(p, classes, target, rows, row, scale, 0, out, keepAt);
    if (target >= 0 && isFinite(load<f64>(out + <usize>rows * RowBlockLayout.lse + (<usize>row << 3)))) {
      const d = scale * (load1<T>(p + <usize>target * sizeof<T>()) - origin);
      if (d > HIGHEST_TARGET) {
        origin = forwardRow<T>(p, classes, -1, 1, 0, scale, 0, ONE_ROW, keepAt);
      } else {
        const e = Math.exp(d);
        if (sizeof<T>() == 8) store<f64>(keepAt + (<usize>target << 3), e);
        else store<f32>(keepAt + (<usize>target << 2), <f32>e);
      }
    }
    store<f64>(origins + (<usize>row << 3), origin);
  }
}
