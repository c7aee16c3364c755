import { LOSS_TENSORS, makeHeader } from '../../batch/header.ts';
import { report } from '../../batch/report.ts';
import type { Evaluation } from '../../contract/cross-entropy.ts';
import { OPTION_NAMES } from '../../loss/options.ts';
import type { Kind } from '../kind.ts';
import { evaluated, planBatch } from './plan.ts';
import type { BatchPlan } from './plan.ts';

/** Cross-entropy of a batch over all classes. */
export const CROSS_ENTROPY: Kind<BatchPlan, Evaluation> = {
  fields: { tensors: LOSS_TENSORS, required: ['logits', 'label'], values: [], options: OPTION_NAMES },
  plan: (pool, request, held) => planBatch(pool, makeHeader(request), held),
  answer: (plan, rows) => report(evaluated(plan, rows)),
};
