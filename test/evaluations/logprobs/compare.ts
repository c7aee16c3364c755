/** Compares log-probabilities without a service. */
import type { LogprobComparison } from '../../../src/contract/logprobs.ts';
import { compareTokens } from '../../../src/evaluations/logprobs/comparison.ts';
import { runAtOnce } from '../../../src/steps.ts';
import type { Sequences } from './exact.ts';

/** A comparison of sequences, all of whose tokens count. */
export function compare(sequences: Sequences): LogprobComparison {
  const tokens = sequences.flat();
  return runAtOnce(
    compareTokens({
      old: Float64Array.from(tokens, ([old]) => old),
      new: Float64Array.from(tokens, ([, trained]) => trained),
      lengths: sequences.map((each) => each.length),
      isCounted: () => true,
    }),
  );
}
