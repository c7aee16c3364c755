import { Type } from '#typebox';
import type { Static } from '#typebox';
import { MOST_PARTS } from './run-metadata.ts';
import { MOST_ATTEMPT, besides } from './scalars.ts';
import { numberOrNonFinite } from './tensor.ts';

/**
 * Maximum number of items of a request, of scalars of all its items, and of bytes of its body. Parsing 512 KiB blocks the
 * event loop for about 10 ms.
 */
export const MOST_ITEMS = 1000;
export const MOST_SCALARS_OF_ALL = 10_000;
export const MOST_BULK_BYTES = 2 ** 19;

const integer = (maximum: number, description: string, example: number, options: object = {}) =>
  Type.Integer({ minimum: 0, maximum, description, examples: [example], ...options });

export const BulkItem = Type.Object(
  {
    step: integer(Number.MAX_SAFE_INTEGER, 'Step of the training.', 41200),
    rank: Type.Optional(integer(MOST_PARTS - 1, 'Data-parallel rank.', 3, { default: 0 })),
    micro_batch: Type.Optional(integer(MOST_PARTS - 1, 'Micro-batch of the rank.', 0, { default: 0 })),
    attempt: Type.Optional(
      integer(MOST_ATTEMPT, 'Attempt of the trainer, incremented when it resumes.', 0, { default: 0 }),
    ),
    numerator: Type.Optional(numberOrNonFinite('N = Σ m·ℓ of the batch. Requires `denominator`.', 1976.32)),
    denominator: Type.Optional(
      numberOrNonFinite('D, the denominator that belongs to `numerator`. Not negative.', 1024),
    ),
    ...besides,
  },
  {
    title: 'BulkItem',
    additionalProperties: false,
    description:
      'A pair (`numerator` and `denominator` of a micro-batch), scalars of its step and rank, or both. `device` requires the pair.',
    examples: [{ step: 41200, rank: 3, numerator: 1976.32, denominator: 1024, scalars: { lr: 3e-4 } }],
  },
);

export const BulkItems = Type.Array(BulkItem, {
  title: 'BulkItems',
  maxItems: MOST_ITEMS,
  description: `Items, at most ${MOST_ITEMS}, with at most ${MOST_SCALARS_OF_ALL} scalars in all.`,
  examples: [
    [
      { step: 41200, numerator: 1976.32, denominator: 1024 },
      { step: 41201, scalars: { lr: 3e-4 } },
    ],
  ],
});

const BulkResult = Type.Object(
  {
    status: Type.Enum([201, 200, 409, 422], {
      description:
        '201: the item is recorded. 200: the same content was already recorded. 409: different content is already recorded, or a later attempt supersedes the item. 422: the item is invalid.',
      examples: [201],
    }),
    code: Type.Optional(
      Type.String({ maxLength: 64, description: 'Code of the error: see docs/errors.md.', examples: ['conflict'] }),
    ),
    detail: Type.Optional(
      Type.String({
        description: 'The received value and the expected value.',
        examples: ['step is -1, expected an integer from 0 to 9007199254740991'],
      }),
    ),
  },
  { title: 'BulkResult', additionalProperties: false, description: 'Result of an item.' },
);

export const BulkResults = Type.Object(
  {
    results: Type.Array(BulkResult, {
      description: 'Results in the order of the items.',
      examples: [[{ status: 201 }]],
    }),
  },
  { title: 'BulkResults', additionalProperties: false, description: 'Results of the items.' },
);

export type BulkResult = Static<typeof BulkResult>;
