import { ROW_OUTPUTS } from '../comparison/options.ts';
import type { Comparison } from '../contract/kl-divergence.ts';
import { mapValues } from '../map-values.ts';
import { stringify } from '../wire/json-text/stringify.ts';
import { PER_LOGIT, PER_ROW, SCALARS, makeModel, scalarsOf } from './model.ts';

/** The comparison of two sets of logits. */
export const KL_DIVERGENCE_MODEL = makeModel<Comparison, 'kl_divergence'>({
  name: 'kl_divergence',
  inputs: {
    logits: { dtype: 'float32', shape: PER_LOGIT, optional: false },
    reference: { dtype: 'float32', shape: PER_LOGIT, optional: true },
    'reference.indices': { dtype: 'int64', shape: PER_LOGIT, optional: true },
    'reference.logprobs': { dtype: 'float32', shape: PER_LOGIT, optional: true },
    label: { dtype: 'int64', shape: PER_ROW, optional: true },
    input_mask: { dtype: 'float32', shape: PER_ROW, optional: true },
    segments: { dtype: 'int64', shape: [-1], optional: true },
  },
  scalars: SCALARS,
  tensors: {
    ...mapValues(ROW_OUTPUTS, ({ dtype }) => ({ dtype, shape: PER_ROW })),
    gradient: { dtype: 'float32', shape: PER_LOGIT },
  },
  scalarsOf: ({ diagnostics: { logits, reference }, ...comparison }) =>
    scalarsOf(
      comparison,
      [logits, ...(reference === undefined ? [] : [reference])].map(({ counts }) => counts),
    ),
  parametersOf: ({ diagnostics, rows, kernel, ...comparison }) => ({
    verdict: diagnostics.verdict,
    kl_divergence: stringify(comparison.kl_divergence),
    top1_agreement: stringify(comparison.top1_agreement),
    ...(comparison.probability_difference && {
      probability_difference: stringify(comparison.probability_difference),
    }),
    ...(comparison.perplexity && { perplexity: stringify(comparison.perplexity) }),
    worst_rows: stringify(comparison.worst_rows),
    ...(comparison.sequences && { sequences: stringify(comparison.sequences) }),
    rows: JSON.stringify(rows),
    diagnostics: stringify(diagnostics),
    kernel,
  }),
});
