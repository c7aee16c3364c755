import { Type } from 'typebox';
import type { Static } from 'typebox';

/** Most ranks of a step, and most micro-batches of a rank. */
export const MOST_PARTS = 2 ** 20;

/** Most labels of a run. */
export const MOST_LABELS = 64;

export const Labels = Type.Record(
  Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._/-]{0,63}$' }),
  Type.Union(
    [
      Type.String({ maxLength: 256, description: 'A text.', examples: ['adamw'] }),
      Type.Number({
        minimum: -Number.MAX_VALUE,
        maximum: Number.MAX_VALUE,
        description: 'A number.',
        examples: [3e-4],
      }),
      Type.Boolean({ description: 'A truth.', examples: [true] }),
    ],
    { title: 'LabelValue' },
  ),
  {
    title: 'Labels',
    maxProperties: MOST_LABELS,
    additionalProperties: false,
    description: 'Metadata that the owner gives the run.',
    examples: [{ model: 'gpt-1b', lr: 3e-4 }],
  },
);

export const ExpectedRanks = Type.Integer({
  minimum: 1,
  maximum: MOST_PARTS,
  description: 'Number of ranks that report each step; a step is complete when all of them reported.',
  examples: [8],
});

/** Request body of PUT /v1/runs/{run}. */
export const RunMetadata = Type.Object(
  { labels: Type.Optional(Labels), expected_ranks: Type.Optional(ExpectedRanks) },
  {
    title: 'RunMetadata',
    additionalProperties: false,
    description: 'Metadata of the run; absent fields keep their values.',
    examples: [{ labels: { model: 'char-lm', lr: 0.001 }, expected_ranks: 8 }],
  },
);

export type Labels = Static<typeof Labels>;
