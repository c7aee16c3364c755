import { OPTION_NAMES } from '../../comparison/options.ts';
import type { Comparison } from '../../contract/kl-divergence.ts';
import type { Kind } from '../kind.ts';
import { answerComparison } from './answer.ts';
import { planComparison } from './plan.ts';
import type { ComparisonPlan } from './plan.ts';

/** Two sets of logits compared, row by row. */
export const KL_DIVERGENCE: Kind<ComparisonPlan, Comparison> = {
  fields: {
    tensors: ['logits', 'reference', 'reference.indices', 'reference.logprobs', 'label', 'input_mask', 'segments'],
    required: ['logits'],
    values: [],
    options: OPTION_NAMES,
  },
  plan: planComparison,
  answer: answerComparison,
};
