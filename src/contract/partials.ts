import { Type } from '#typebox';
import { Options } from '../loss/options.ts';
import { MAX_CLASSES } from '../loss/vocabulary.ts';
import { MAX_PARTIALS, PARTIAL_VERSION } from './limits.ts';
import { BATCH_FIELDS } from './cross-entropy.ts';
import { examplePartials } from './partials-example.ts';

/** The body of POST /v1/cross-entropy/partials. */
export const PartialRequest = Type.Object(
  {
    vocab_start: Type.Integer({
      minimum: 0,
      maximum: MAX_CLASSES,
      description: 'The class of the first column of the logits.',
      examples: [0],
    }),
    vocab_size: Type.Integer({
      minimum: 1,
      maximum: MAX_CLASSES,
      description: 'Number of classes of the whole vocabulary: C in all formulas. Labels are in [0, vocab_size).',
      examples: [6],
    }),
    ...BATCH_FIELDS,
  },
  {
    title: 'PartialRequest',
    additionalProperties: false,
    description:
      'A shard of the vocabulary, for the rows of a batch. `logits` has the columns of the shard. `label` is the same on all ranks; class probabilities have only the columns of the shard. `weight` covers the columns of the shard, or the whole vocabulary.',
    examples: [{ vocab_start: 3, vocab_size: 6, logits: [[1, 2, 3]], label: [2] }],
  },
);

/** The answer of POST /v1/cross-entropy/partials: opaque. */
export const VocabularyPartial = Type.Object(
  {
    lossmeter_partial: Type.Integer({
      minimum: PARTIAL_VERSION,
      maximum: PARTIAL_VERSION,
      description: 'Version of the object.',
      examples: [PARTIAL_VERSION],
    }),
  },
  {
    title: 'VocabularyPartial',
    additionalProperties: true,
    description:
      'Results of the rows over the shard. Opaque: send it back unchanged, to a service of the same version.',
  },
);

/** The body of POST /v1/cross-entropy/combine. */
export const CombineRequest = Type.Object(
  {
    partials: Type.Array(VocabularyPartial, {
      minItems: 1,
      maxItems: MAX_PARTIALS,
      description: 'The answers of `/v1/cross-entropy/partials` for all shards of the vocabulary, in any order.',
      examples: [[{ lossmeter_partial: PARTIAL_VERSION }]],
    }),
    options: Type.Optional(Options),
  },
  {
    title: 'CombineRequest',
    additionalProperties: false,
    description:
      'Partials to merge. `options` overrides options of the partials. These can always change: `reduction`, `semantics`, `lse_square_scale`, `calculate_per_token_loss`, `on_non_finite` and `parallel_config.data_parallel`. These can change only when the partials hold the required data: `label_smoothing`, `check_for_nan_in_loss_and_grad`, `outputs` and `metrics`.',
    examples: [{ partials: examplePartials(PARTIAL_VERSION), options: { reduction: 'sum' } }],
  },
);
