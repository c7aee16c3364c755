import type { GradientCoefficients } from '../../kernels/bindings.ts';
import { inSteps } from '../steps.ts';
import type { Steps } from '../steps.ts';
import { divide, isMean, labelWeight } from './denominators.ts';
import type { Denominators } from './denominators.ts';
import type { Options } from './options.ts';
import type { Targets } from './targets.ts';

/**
 * Coefficients of the gradient with respect to x, per row: of the loss if there is one, otherwise of N + Z.
 *   class indices: (m/D)·[(1−ε)·w_y·(s_c − 1[c=y]) + (ε/C)·(W·s_c − w_c)] + (m/D_z)·2λ·lse·s_c
 *   probabilities: (m/D)·[s_c·Σ_k w_k p'_k − w_c p'_c] + (m/D_z)·2λ·lse·s_c, with p' = (1−ε)·p + ε/C
 * with the denominators of `semantics`, and 1 for sums. Both are t·(Σ_k w_k p_k·s_c − w_c p_c) + b·(W·s_c − w_c) +
 * z·lse·s_c. For class indices t includes w_y, and p is 1 at y and 0 elsewhere.
 * @param smoothing ε, from smoothingOf
 */
export function* gradientCoefficients(
  targets: Targets,
  options: Options,
  { classes: C, smoothing: epsilon, denominators }: { classes: number; smoothing: number; denominators: Denominators },
): Steps<GradientCoefficients> {
  const { classes, weights } = targets;
  const { lse_square_scale: lambda } = options;
  const mean = isMean(options);
  const N = classes.length;
  const [t, b, z] = [new Float64Array(N), new Float64Array(N), new Float64Array(N)];
  yield* inSteps(N, (from, to) => {
    for (let row = from; row < to; row++) {
      const y = classes[row]!;
      // The kernel's gradient of a row without a target is 0.
      if (y < 0) continue;
      const m = weights === undefined ? 1 : weights[row]!;
      const ofLoss = mean ? divide(m, denominators.loss, options) : m;
      t[row] = ofLoss * (1 - epsilon) * labelWeight(targets, y);
      if (epsilon !== 0) b[row] = (ofLoss * epsilon) / C;
      // Infinite where D = 0. The weights are then 0 or of both signs: PyTorch adds infinities of both signs, or 0·∞.
      if (!Number.isFinite(b[row]!)) t[row] = b[row] = Number.NaN;
      if (lambda !== 0) z[row] = (mean ? divide(m, denominators.z, options) : m) * 2 * lambda;
    }
  });
  return { t, b, z };
}
