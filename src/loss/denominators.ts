import { LEFT_OUT, NO_TARGET } from '../../kernels/abi.ts';
import { inSteps } from '../steps.ts';
import type { Steps } from '../steps.ts';
import type { Options } from './options.ts';
import { CompensatedSum } from '../summation.ts';
import type { Targets } from './targets.ts';

/** Denominators of sums over counted rows, known before the logits. Raw, without the terms of `semantics`. */
export interface Denominators {
  /** D = Σ m·w_y, and Σ m for class probabilities. */
  loss: number;
  /** D_z = Σ m */
  z: number;
}

export function* denominatorsOf(targets: Targets): Steps<Denominators> {
  const { classes, weights } = targets;
  const loss = new CompensatedSum();
  const z = new CompensatedSum();
  yield* inSteps(classes.length, (from, to) => {
    for (let row = from; row < to; row++) {
      const y = classes[row]!;
      if (y === LEFT_OUT) continue;
      const m = weights === undefined ? 1 : weights[row]!;
      loss.add(m * labelWeight(targets, y));
      z.add(m);
    }
  });
  return { loss: loss.value, z: z.value };
}

/**
 * Weight w_y of a counted row. It is 1 for class probabilities, whose classes are weighted individually, and for an
 * invalid label.
 */
export function labelWeight(
  { probabilities, classWeights }: Pick<Targets, 'probabilities' | 'classWeights'>,
  y: number,
): number {
  return classWeights === undefined || probabilities !== undefined || y === NO_TARGET ? 1 : classWeights[y]!;
}

/**
 * Divides a sum by its denominator, by the rules of the profile. With a denominator of 0 the mean is 0 for every sum.
 * Under `torch` it is NaN for a sum of 0, and infinite for other sums, which negative class weights make possible.
 */
export function divide(sum: number, denominator: number, { semantics }: Pick<Options, 'semantics'>): number {
  if (denominator === 0 && semantics !== 'torch') return 0;
  switch (semantics) {
    case 'mindformers':
      return sum / (denominator + 1e-8);
    case 'torch':
      return sum / denominator;
    case 'megatron':
      return sum / Math.max(denominator, 1);
  }
}

/**
 * True when the loss is a mean. Otherwise the loss, or the value that is differentiated instead of it, is the sum over
 * the rows.
 */
export function isMean({ reduction, calculate_per_token_loss }: Options): boolean {
  return reduction === 'mean' && !calculate_per_token_loss;
}
