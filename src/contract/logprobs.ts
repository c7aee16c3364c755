import { Type } from '#typebox';
import type { Static } from '#typebox';
import { MOST_SEQUENCES, MOST_WORST_TOKENS } from './limits.ts';
import { segmentEntries } from './sequences.ts';
import { FloatDType, count, nestedArrayOr, numberOrNonFinite, numberOrNull, requestTensor } from './tensor.ts';

const BASE64 = { contentEncoding: 'base64', examples: ['AAAAvwAAgL8AAADAAACAPg=='] };

const FlatBytes = Type.Object(
  {
    dtype: FloatDType,
    data: Type.String({ ...BASE64, description: 'The elements, little-endian; bin in MessagePack.' }),
  },
  {
    title: 'FlatTensorBytes',
    additionalProperties: false,
    description: 'A tensor with one axis, as bytes. The number of bytes determines its length.',
  },
);

const LogprobEntries = nestedArrayOr('LogprobEntries', [
  Type.String({
    ...BASE64,
    description:
      'A tensor with one axis, as the bytes of little-endian float32: base64 text in JSON, a bin in MessagePack.',
  }),
]);

const logprobs = (title: string, description: string, examples: unknown[]) =>
  requestTensor({
    title,
    kind: 'Float',
    description,
    examples,
    others: [FlatBytes],
    entries: LogprobEntries,
  });

/** Request body of POST /v1/logprobs/compare. */
export const LogprobRequest = Type.Object(
  {
    old: logprobs(
      'OldLogprobs',
      'Log-probabilities of the tokens under the sampler, in nats, of shape (N,), or (B, T) with one sequence per row. Numbers without a dtype are float64. The values of counted tokens must be finite and at most 0.01: rounding may lift a value slightly above 0. verl calls this tensor `rollout_log_probs`.',
      [[-0.5, -1.25, -2, -0.125]],
    ),
    new: logprobs(
      'NewLogprobs',
      'Log-probabilities of the same tokens under the trainer, in nats, in the shape of `old` and with the same rules. verl calls this tensor `old_log_probs`.',
      [[-0.5, -1.5, -2, -0.25]],
    ),
    input_mask: Type.Optional(
      requestTensor({
        title: 'TokenMask',
        kind: 'Any',
        description:
          'The mask of each token, in the shape of `old`, or flat. 1 counts the token; 0 leaves it out, whatever its log-probabilities are. Other values are rejected. Default: 1 for every token.',
        examples: [[1, 1, 1, 0]],
      }),
    ),
    segments: Type.Optional(
      requestTensor({
        title: 'SequenceLengths',
        kind: 'Any',
        description: `Lengths of consecutive sequences: integers of shape (S,) whose sum is N, for tokens of shape (N,). At most ${MOST_SEQUENCES} sequences. Default: one sequence. Rejected for tokens of shape (B, T), whose rows are the sequences.`,
        examples: [[3, 1]],
        entries: segmentEntries,
      }),
    ),
  },
  {
    title: 'LogprobRequest',
    additionalProperties: false,
    description: 'Log-probabilities that two sides gave for the same tokens.',
    examples: [{ old: [-0.5, -1.25, -2, -0.125], new: [-0.5, -1.5, -2, -0.25], segments: [3, 1] }],
  },
);

const perplexity = (description: string) =>
  Type.Object(
    { old: numberOrNull('Perplexity of `old`.', 2.3117), new: numberOrNull('Perplexity of `new`.', 2.5388) },
    { title: 'PerplexityPair', additionalProperties: false, description },
  );

const k1 = numberOrNull('Mean of −r, an estimator of KL(old‖new) that may be negative.', 0.09375);
const k3 = numberOrNull('Mean of ρ − 1 − r, an estimator of KL(old‖new) that is never negative.', 0.009074);

const Sequence = Type.Object(
  {
    tokens: count('Counted tokens.', 3),
    log_ratio: numberOrNull('Σ r.', -0.25),
    k1,
    k3,
    perplexity: perplexity('exp of the mean of −log-probability over the counted tokens.'),
  },
  {
    title: 'SequenceComparison',
    additionalProperties: false,
    description:
      'A sequence. Without counted tokens, `tokens` is 0, the other numbers are null, and means over sequences leave the sequence out.',
  },
);

export type SequenceComparison = Static<typeof Sequence>;

const WorstToken = Type.Object(
  {
    token: count('Index of the token, from 0; rows of (B, T) follow one another.', 1),
    sequence: count('Its sequence, from 0.', 0),
    position: count('Its position in the sequence, from 0.', 1),
    old: numberOrNonFinite('Its log-probability in `old`.', -1.25),
    new: numberOrNonFinite('Its log-probability in `new`.', -1.5),
    log_ratio: numberOrNonFinite('r = new − old.', -0.25),
  },
  { title: 'WorstToken', additionalProperties: false, description: 'A token on which the sides differ.' },
);

/** The answer of POST /v1/logprobs/compare. */
export const LogprobComparison = Type.Object(
  {
    tokens: Type.Object(
      {
        total: count('Tokens of the request: counted + masked.', 4),
        counted: count('Tokens that enter the sums.', 4),
        masked: count('Tokens whose mask is 0.', 0),
      },
      { title: 'TokenCounts', additionalProperties: false, description: 'Numbers of counted and masked tokens.' },
    ),
    k1,
    k3,
    chi2_token: numberOrNull('Mean of ρ² over tokens, minus 1.', -0.1537),
    chi2_sequence: numberOrNull(
      'Mean over sequences of (Π ρ)², minus 1, with the product over the tokens of a sequence.',
      -0.3073,
    ),
    effective_sample_size: numberOrNull(
      '(Σ ρ)² / (n·Σ ρ²): the effective share of the tokens under the importance weights ρ.',
      0.98994,
    ),
    mean_absolute_difference: numberOrNull('Mean of |r|.', 0.09375),
    fraction_outside: numberOrNull('Share of tokens with ρ < 0.9 or ρ > 1.1.', 0.5),
    perplexity: perplexity('Mean over sequences of their perplexities.'),
    worst_tokens: Type.Array(WorstToken, {
      maxItems: MOST_WORST_TOKENS,
      description: 'The tokens with the largest |r|, largest first; ties in token order.',
      examples: [[{ token: 1, sequence: 0, position: 1, old: -1.25, new: -1.5, log_ratio: -0.25 }]],
    }),
    sequences: Type.Array(Sequence, {
      maxItems: MOST_SEQUENCES,
      description: 'Every sequence, in order.',
      examples: [[{ tokens: 1, log_ratio: -0.125, k1: 0.125, k3: 0.007497, perplexity: { old: 1.1331, new: 1.284 } }]],
    }),
    hint: Type.Optional(
      Type.Enum(['renormalised_support'], {
        description:
          '`renormalised_support`: `old` was renormalised over a truncated support, by top-p or top-k, and `new` was not. A heuristic: of at least 32 counted tokens with `old` below −0.1, more than half have r < −0.02, and at most 10% have r > 0.01. The heuristic misses supports that keep more than 98% of the probability mass. A constant downward shift triggers it too, but cannot occur between two normalised distributions.',
        examples: ['renormalised_support'],
      }),
    ),
  },
  {
    title: 'LogprobComparison',
    additionalProperties: false,
    description:
      'The comparison over the n counted tokens, with r = new − old and ρ = e^r of each token. Nothing is clamped or truncated: a value that overflows float64 is Infinity. Without counted tokens, all numbers are null, except the numbers in `tokens`.',
  },
);

export type LogprobComparison = Static<typeof LogprobComparison>;
