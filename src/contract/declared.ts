import { Type } from '#typebox';
import type { Static } from '#typebox';
import { count, numberOrNonFinite } from './tensor.ts';

const number = (description: string, example: number) =>
  Type.Optional(Type.Number({ minimum: 0, maximum: 1, description, examples: [example] }));

/** Options that differ from the options of the request. */
const ReproducedByOptions = Type.Object(
  {
    normalisation: Type.Optional(
      Type.Enum(['sum', 'mean_over_all_rows', 'mean_over_counted_rows', 'mean_without_weights'], {
        description:
          '`sum`: the sum over the rows. `mean_over_all_rows`: the sum divided by the number of all rows, including rows left out. `mean_over_counted_rows`: the sum divided by the number of counted rows, not by the sum of their weights. `mean_without_weights`: the mean over the counted rows, each with weight 1.',
        examples: ['sum'],
      }),
    ),
    shift: Type.Optional(count('`options.shift`.', 0)),
    label_smoothing: number('`options.label_smoothing`.', 0),
    lse_square_scale: number('`options.lse_square_scale`; 0 where the z-loss is left out.', 0),
    semantics: Type.Optional(
      Type.Enum(['mindformers', 'megatron'], { description: '`options.semantics`.', examples: ['megatron'] }),
    ),
    unit: Type.Optional(
      Type.Enum(['bits_per_token', 'perplexity'], {
        description: 'Unit of the declared loss: bits per token, or the perplexity.',
        examples: ['perplexity'],
      }),
    ),
  },
  {
    title: 'ReproducedByOptions',
    additionalProperties: false,
    description: 'The changed options.',
  },
);
export type ReproducedByOptions = Static<typeof ReproducedByOptions>;

export const DeclaredLoss = Type.Object(
  {
    loss: numberOrNonFinite('Loss of this batch, computed with the options of the request.', 1.93),
    declared_loss: numberOrNonFinite('The loss that the trainer declared.', 1.95),
    relative_difference: numberOrNonFinite('(declared_loss − loss) / |loss|.', 0.0104),
    agrees: Type.Boolean({
      description:
        'True when the declared loss equals the loss of the batch, with or without z-loss, to the precision of the declared number.',
      examples: [false],
    }),
    reproduced_by: Type.Optional(
      Type.Union([ReproducedByOptions, Type.Null()], {
        description:
          'One or two changed options that give this batch the declared loss; null when no tried change does. Absent when the losses agree.',
        examples: [{ shift: 1 }],
      }),
    ),
  },
  {
    title: 'DeclaredLoss',
    additionalProperties: false,
    description:
      'Compares the declared loss with the loss of this batch alone: see docs/diagnostics.md. `/v1/runs/{run}/steps/{step}` compares it with the losses of all batches.',
  },
);
export type DeclaredLoss = Static<typeof DeclaredLoss>;
