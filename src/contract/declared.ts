import { Type } from 'typebox';
import type { Static } from 'typebox';
import { count, numberOrNonFinite } from './tensor.ts';

const number = (description: string, example: number) =>
  Type.Optional(Type.Number({ minimum: 0, maximum: 1, description, examples: [example] }));

/** Options that differ from those of the request. */
const ReproducedByOptions = Type.Object(
  {
    normalisation: Type.Optional(
      Type.Enum(['sum', 'mean_over_all_rows', 'mean_over_counted_rows', 'mean_without_weights'], {
        description:
          '`sum`: the sum over the rows. `mean_over_all_rows`: divided by all rows, those left out too. `mean_over_counted_rows`: divided by the number of counted rows, not by their weights. `mean_without_weights`: the mean over the counted rows, all with weight 1.',
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
        description: 'It is in bits, or it is the perplexity.',
        examples: ['perplexity'],
      }),
    ),
  },
  {
    title: 'ReproducedByOptions',
    additionalProperties: false,
    description: 'What differs from the request.',
  },
);
export type ReproducedByOptions = Static<typeof ReproducedByOptions>;

export const DeclaredLoss = Type.Object(
  {
    loss: numberOrNonFinite('Loss of this batch by its options.', 1.93),
    declared_loss: numberOrNonFinite('The loss that was declared.', 1.95),
    relative_difference: numberOrNonFinite('(declared_loss − loss) / |loss|.', 0.0104),
    agrees: Type.Boolean({
      description:
        'True where the declared loss is that of the batch, with or without its z-loss, within the precision in which it was declared.',
      examples: [false],
    }),
    reproduced_by: Type.Optional(
      Type.Union([ReproducedByOptions, Type.Null()], {
        description:
          'Options, one or two of them, with which this batch has the declared loss; null when none of those that are tried gives it. Absent where it agrees.',
        examples: [{ shift: 1 }],
      }),
    ),
  },
  {
    title: 'DeclaredLoss',
    additionalProperties: false,
    description:
      'The declared loss, compared with that of this batch alone: see docs/diagnostics.md. The answer for the step compares it with all batches.',
  },
);
export type DeclaredLoss = Static<typeof DeclaredLoss>;
