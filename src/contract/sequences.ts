/** Sequences of requests and answers. */
import { Type } from '#typebox';
import { MOST_SEQUENCES } from './limits.ts';
import { count, nestedArrayOr, numberOrNull, requestTensor } from './tensor.ts';

/** Lengths of sequences without a dtype. */
export const segmentEntries = nestedArrayOr('SegmentEntries', [
  Type.Integer({
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    description: 'The length of a single sequence.',
    examples: [2],
  }),
]);

/** Lengths of the sequences of a batch. */
export const segments = Type.Optional(
  requestTensor({
    title: 'SegmentLengths',
    kind: 'Any',
    description: `Lengths of consecutive sequences of rows, with all leading axes flattened: integers of shape (S,), with S ≤ ${MOST_SEQUENCES}, whose sum is the number of rows before \`shift\`. With \`shift\` k, the last k rows of each segment are left out. Default: the rows along the axis before the classes are one sequence, so logits of shape (B, T, C) have B sequences, and of shape (N, C) one.`,
    examples: [[1, 1]],
    entries: segmentEntries,
  }),
);

const sizeEntries = nestedArrayOr('SizeEntries', [
  Type.Number({ minimum: 0, maximum: Number.MAX_VALUE, description: 'The size of the whole batch.', examples: [8] }),
]);

const sizeOf = (title: string, what: string, metrics: string) =>
  Type.Optional(
    requestTensor({
      title,
      kind: 'Any',
      description: `Number of ${what} of the scored texts, finite and not negative: one number for the whole batch, or numbers of shape (S,), one for each sequence. The service uses only their sum. Required by ${metrics}.`,
      examples: [[5, 3]],
      entries: sizeEntries,
    }),
  );

/** Sizes of the texts of a batch. */
export const textSizes = {
  bytes: sizeOf('TextBytes', 'bytes', '`bits_per_byte` and `byte_perplexity`'),
  words: sizeOf('TextWords', 'words', '`word_perplexity`'),
};

const tokens = count('Counted rows.', 2);

const EMPTY =
  'Without counted rows, `tokens` is 0, the other numbers are null, and means over sequences leave the sequence out.';

/** A sequence of a cross-entropy. */
export const SequenceEvaluation = Type.Object(
  {
    tokens,
    numerator: numberOrNull('Σ m·nll, in nats: of the plain label, without class weights and smoothing.', 1.3162),
    denominator: numberOrNull('Σ m.', 2),
    mean_nll: numberOrNull('Σ m·nll / Σ m.', 0.6581),
    perplexity: numberOrNull('exp(mean_nll).', 1.9311),
  },
  {
    title: 'SequenceEvaluation',
    additionalProperties: false,
    description: `A sequence, over its counted rows. ${EMPTY}`,
  },
);

/** Sequences of a cross-entropy. */
export const sequences = Type.Optional(
  Type.Array(SequenceEvaluation, {
    maxItems: MOST_SEQUENCES,
    description: 'Every sequence, in order; only when `options.outputs` has `sequences`.',
    examples: [[{ tokens: 2, numerator: 1.3162, denominator: 2, mean_nll: 0.6581, perplexity: 1.9311 }]],
  }),
);

const ofSide = (name: 'logits' | 'reference') =>
  Type.Object(
    {
      mean_nll: numberOrNull('Σ m·nll / Σ m of the labels.', 0.6581),
      perplexity: numberOrNull('exp(mean_nll).', 1.9311),
    },
    {
      title: name === 'logits' ? 'SequenceOfLogits' : 'SequenceOfReference',
      additionalProperties: false,
      description: `Values of the labels under \`${name}\`. Present only with labels.`,
    },
  );

/** A sequence of a comparison. */
export const ComparedSequence = Type.Object(
  {
    tokens,
    numerator: numberOrNull('Σ m·divergence, in nats.', 0.0042),
    denominator: numberOrNull('Σ m.', 2),
    mean: numberOrNull('Σ m·divergence / Σ m.', 0.0021),
    logits: Type.Optional(ofSide('logits')),
    reference: Type.Optional(ofSide('reference')),
  },
  {
    title: 'ComparedSequence',
    additionalProperties: false,
    description: `A sequence, over its counted rows. ${EMPTY}`,
  },
);

/** Sequences of a comparison. */
export const comparedSequences = Type.Optional(
  Type.Array(ComparedSequence, {
    maxItems: MOST_SEQUENCES,
    description:
      'Every sequence, in order. Present when `options.outputs` has `sequences`. In the result of a comparison job: present for a file with segments.',
    examples: [[{ tokens: 2, numerator: 0.0042, denominator: 2, mean: 0.0021 }]],
  }),
);
