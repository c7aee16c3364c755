import { Type } from '#typebox';
import type { Static } from '#typebox';
import { MOST_PARTS } from './run-metadata.ts';
import { count, numberOrNonFinite } from './tensor.ts';

/** Ways to average the batches of a step, other than the mean over tokens. */
const REPRODUCED_BY = [
  ...(['mean_of_means', 'rank_mean_of_means', 'mean_of_rank_means', 'sum', 'rank_sum'] as const),
  ...(['sum_of_means', 'rank_sum_of_means', 'last_micro_batch', 'first_micro_batch'] as const),
  ...(['divided_by_micro_batches', 'divided_by_ranks', 'times_ranks', 'rank_share'] as const),
  ...(['bits_per_token', 'perplexity'] as const),
];
export type ReproducedBy = (typeof REPRODUCED_BY)[number];

const EXPLAINED_BY = ['sum', 'sum_of_means', 'divided_by_micro_batches', 'divided_by_denominator'] as const;
export type ExplainedBy = (typeof EXPLAINED_BY)[number];

const KINDS = ['declared_loss_differs', 'rank_apart', 'same_batch', 'stale_labels'] as const;

const rank = Type.Integer({ minimum: 0, maximum: MOST_PARTS - 1, description: 'Rank.', examples: [3] });
const microBatch = count('Micro-batch of the rank.', 0);

export const Normalisation = Type.Object(
  {
    token_mean: numberOrNonFinite('Σ numerators / Σ denominators: the loss of the step.', 1.93),
    mean_of_means: numberOrNonFinite(
      'Unweighted mean of the losses of all micro-batches; those that count nothing are left out.',
      1.95,
    ),
    mean_of_rank_means: numberOrNonFinite(
      'Unweighted mean of the losses of the ranks, each Σ numerators / Σ denominators of the rank.',
      1.93,
    ),
    relative_difference: numberOrNonFinite('(mean_of_means − token_mean) / |token_mean|.', 0.0104),
  },
  {
    title: 'Normalisation',
    additionalProperties: false,
    description:
      'Loss of the step, averaged in three ways that trainers often confuse. Each sum is exact, so the order of the batches has no effect. Only the first page of a step has this field. Steps with more than 100,000 micro-batches do not have it.',
  },
);
export type Normalisation = Static<typeof Normalisation>;

export const Disagreement = Type.Object(
  {
    kind: Type.Enum([...KINDS], {
      title: 'DisagreementKind',
      description:
        '`declared_loss_differs`: the declared loss of ranks differs from the recorded loss. `rank_apart`: the loss of a rank is far from the losses of the other ranks. `same_batch`: ranks recorded the same batch. `stale_labels`: a batch has the labels of the previous step, but different logits. docs/diagnostics.md has the rules.',
      examples: ['declared_loss_differs'],
    }),
    summary: Type.String({
      description: 'The finding in a sentence.',
      examples: ['rank 3 has the loss 9.8, the median of 8 ranks is 1.93'],
    }),
    ranks: Type.Array(rank, { maxItems: 1024, description: 'The ranks concerned; the first 1024.', examples: [[3]] }),
    declared: Type.Optional(numberOrNonFinite('Declared loss of the first rank of `ranks`.', 1.95)),
    recorded: Type.Optional(numberOrNonFinite('Recorded loss of the same rank: its mean over tokens.', 1.93)),
    relative_difference: Type.Optional(numberOrNonFinite('(declared − recorded) / |recorded|.', 0.0104)),
    reproduced_by: Type.Optional(
      Type.Union(
        [
          Type.Enum([...REPRODUCED_BY], {
            title: 'ReproducedBy',
            description: 'Averaging method that gives the declared loss.',
            examples: ['mean_of_means'],
          }),
          Type.Null(),
        ],
        {
          description: 'Averaging method that gives the declared loss; null when none is known.',
          examples: ['mean_of_means'],
        },
      ),
    ),
    loss: Type.Optional(numberOrNonFinite('Loss of the rank.', 9.8)),
    median: Type.Optional(numberOrNonFinite('Median of the losses of all ranks.', 1.93)),
    tolerance: Type.Optional(numberOrNonFinite('Largest distance from the median that is not reported.', 0.4)),
    explained_by: Type.Optional(
      Type.Union(
        [
          Type.Enum([...EXPLAINED_BY], {
            title: 'ExplainedBy',
            description: 'Normalisation error.',
            examples: ['sum'],
          }),
          Type.Null(),
        ],
        {
          description:
            'Normalisation error that explains the distance of the rank from the others; null when none does.',
          examples: ['sum'],
        },
      ),
    ),
    micro_batches: Type.Optional(
      Type.Array(
        Type.Object(
          { rank, micro_batch: microBatch },
          { title: 'PlaceInStep', additionalProperties: false, description: 'A micro-batch of the step.' },
        ),
        {
          maxItems: 64,
          description: 'The micro-batches concerned; the first 64.',
          examples: [[{ rank: 3, micro_batch: 0 }]],
        },
      ),
    ),
    previous_step: Type.Optional(count('Earlier step with the same labels.', 41199)),
  },
  { title: 'Disagreement', additionalProperties: false, description: 'Batches of a step that do not agree.' },
);
export type Disagreement = Static<typeof Disagreement>;
