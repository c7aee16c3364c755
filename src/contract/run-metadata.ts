import { Type } from '#typebox';
import type { Static } from '#typebox';
import { WITHOUT_CONTROLS, WITHOUT_NUL } from '../text-patterns.ts';
import { RunName } from './run-name.ts';

/** Maximum number of ranks of a step, and of micro-batches of a rank. */
export const MOST_PARTS = 2 ** 20;

/** Maximum number of labels of a run. */
export const MOST_LABELS = 64;

export const Labels = Type.Record(
  Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._/-]{0,63}$' }),
  Type.Union(
    [
      Type.String({ maxLength: 256, description: 'A string.', examples: ['adamw'] }),
      Type.Number({
        minimum: -Number.MAX_VALUE,
        maximum: Number.MAX_VALUE,
        description: 'A number.',
        examples: [3e-4],
      }),
      Type.Boolean({ description: 'A boolean.', examples: [true] }),
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

/** States that a trainer can set. */
const SAID_STATES = ['running', 'finished', 'failed'] as const;

export type SaidState = (typeof SAID_STATES)[number];

/** States of a run. */
export const STATES = [...SAID_STATES, 'crashed', 'idle'] as const;

export type RunState = (typeof STATES)[number];

const MOST_NOTES = 16_384;

/** Maximum number of tags of a run, and of characters of a tag. */
const MOST_TAGS = 64;
const MOST_TAG = 64;

export const Tag = Type.String({
  minLength: 1,
  maxLength: MOST_TAG,
  pattern: WITHOUT_CONTROLS,
  description: 'A tag: a text without control characters.',
  examples: ['baseline'],
});

export const Tags = Type.Array(Tag, {
  maxItems: MOST_TAGS,
  description: 'Tags, each once.',
  examples: [['baseline', 'paper']],
});

export const Notes = Type.String({
  maxLength: MOST_NOTES,
  pattern: WITHOUT_NUL,
  description: 'Notes on the run, as plain text.',
  examples: ['The learning rate of the second half was too high.'],
});

export const Archived = Type.Boolean({
  description: 'True for an archived run, which lists leave out by default.',
  examples: [false],
});

/** Request body of PUT /v1/runs/{run}. */
export const RunMetadata = Type.Object(
  {
    labels: Type.Optional(Labels),
    expected_ranks: Type.Optional(ExpectedRanks),
    state: Type.Optional(
      Type.Enum([...SAID_STATES], {
        description:
          'State that the trainer reports: `running` when it starts or resumes, `finished` or `failed` when it ends.',
        examples: ['finished'],
      }),
    ),
    notes: Type.Optional(Notes),
    tags: Type.Optional(Tags),
    archived: Type.Optional(Archived),
  },
  {
    title: 'RunMetadata',
    additionalProperties: false,
    description: 'Metadata of the run; absent fields keep their values.',
    examples: [{ labels: { model: 'char-lm', lr: 0.001 }, expected_ranks: 8 }],
  },
);

/** Request body of POST /v1/runs/{run}/rename. */
export const RunRename = Type.Object(
  { name: RunName },
  {
    title: 'RunRename',
    additionalProperties: false,
    description: 'The new name of the run.',
    examples: [{ name: 'meta-llama/Llama-2-7b' }],
  },
);

export type Labels = Static<typeof Labels>;
