import { Type } from '#typebox';
import type { Static } from '#typebox';
import { KERNEL_PATTERN } from '../../kernels/name.ts';
import { ComparisonOptions, MOST_WORST_ROWS, TENSOR_OUTPUTS } from '../comparison/options.ts';
import { DIFFERENCE_PERCENTILES, PERCENTILES } from '../comparison/summary.ts';
import { COMPARISON_CAUSES } from '../diagnostics/causes.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { CrossEntropyRequest, RowCounts } from './cross-entropy.ts';
import { Diagnostics, Place, RangeReport } from './diagnostics.ts';
import { comparedSequences, segments } from './sequences.ts';
import { ReplyTensor, count, numberOrNonFinite, numberOrNull, requestTensor } from './tensor.ts';

const { label, input_mask: inputMask } = CrossEntropyRequest.properties;

const TopReference = Type.Object(
  {
    indices: requestTensor({
      title: 'TopIndices',
      kind: 'Any',
      description: 'Integers of shape (N, K) or (…, K): the classes of each row, in any order, without duplicates.',
      examples: [[[2, 0]]],
    }),
    logprobs: requestTensor({
      title: 'TopLogprobs',
      kind: 'Any',
      description: 'Floats of the same shape: ln p of each of these classes. Numbers without a dtype are float64.',
      examples: [[[-0.105, -2.5]]],
    }),
  },
  {
    title: 'TopReference',
    additionalProperties: false,
    description:
      'The top K classes of a teacher. In safetensors and the Open Inference Protocol, they are the tensors `reference.indices` and `reference.logprobs`. Requires `direction: "forward"` and `logit_scale` 1.',
  },
);

const LogitFile = Type.Object(
  {
    kld_file: Type.String({
      minLength: 1,
      description:
        'Path of a file of `llama-perplexity --kl-divergence-base` below `LOSSMETER_DATA_DIR`, or `s3://bucket/key`.',
      examples: ['base.kld'],
    }),
  },
  {
    title: 'LogitFile',
    additionalProperties: false,
    description:
      'A llama.cpp logit file. It holds the R = n_ctx − 1 − ⌊n_ctx/2⌋ rows of the second half of each chunk, in order. `logits` must have the shape (n_chunk·R, n_vocab) or (n_chunk, R, n_vocab). A request without labels uses those of the file; `shift` must then be 0. Requires `direction: "forward"` and `logit_scale` 1.',
  },
);

/** Request body of POST /v1/kl-divergence: the same structure in every media type. */
export const ComparisonRequest = Type.Object(
  {
    logits: requestTensor({
      title: 'ComparedLogits',
      kind: 'Float',
      description:
        'Logits x of the compared model, with Q = softmax(s·x), of shape (N, C), (…, C), or (C,) for a single row. In MessagePack, the later one of `reference` and `logits` is streamed. The earlier one is buffered in bounded memory: name a large tensor by `{"file", "tensor"}` instead.',
      examples: [
        [
          [1, 2, 3],
          [0.5, 0.25, 0],
        ],
      ],
    }),
    reference: requestTensor({
      title: 'Reference',
      kind: 'Float',
      others: [TopReference, LogitFile],
      description:
        'The reference distribution P, in one of three forms. Logits with P = softmax(s·x), of the shape of `logits` or (N, C) and of any floating-point dtype; the top K classes of each row; or a llama.cpp logit file.',
      examples: [
        [
          [1.1, 2, 2.9],
          [0.4, 0.3, 0],
        ],
      ],
    }),
    label: Type.Optional(label),
    input_mask: inputMask,
    segments,
    options: Type.Optional(ComparisonOptions),
  },
  {
    title: 'ComparisonRequest',
    additionalProperties: false,
    description: 'Two sets of logits to compare.',
    examples: [
      {
        reference: [
          [1.1, 2, 2.9],
          [0.4, 0.3, 0],
        ],
        logits: [
          [1, 2, 3],
          [0.5, 0.25, 0],
        ],
        label: [2, 0],
      },
    ],
  },
);

const standardError = (what: string, example: number) =>
  numberOrNull(`Standard error of ${what}; null with fewer than two counted rows, or when infinite.`, example);

const percentiles = (names: readonly string[], title: string) =>
  Type.Unsafe<Record<string, number | null>>(
    Type.Object(Object.fromEntries(names.map((name) => [name, numberOrNull(`Percentile ${name}.`, 0.001)])), {
      title,
      additionalProperties: false,
      description:
        'Percentiles over counted rows, unweighted, with linear interpolation between neighbours. NaN rows are left out.',
    }),
  );

const valueAndError = (title: string, description: string, example: number) =>
  Type.Object(
    { value: numberOrNull('The value.', example), standard_error: standardError('the value', 0.01) },
    { title, additionalProperties: false, description },
  );

/** Statistics of the divergences of the counted rows. */
const DivergenceStatistics = Type.Object(
  {
    mean: numberOrNull('Σ m·divergence / Σ m, in nats; null when nothing is counted.', 0.0021),
    standard_error: standardError('the mean', 0.0003),
    min: numberOrNull('Least divergence.', 0),
    max: numberOrNull('Greatest divergence.', 0.04),
    percentiles: percentiles(PERCENTILES, 'DivergencePercentiles'),
  },
  {
    title: 'DivergenceStatistics',
    additionalProperties: false,
    description: 'Divergence of the counted rows, in nats. Mean and standard error are weighted by the mask.',
  },
);

const Agreement = Type.Object(
  {
    fraction: numberOrNull(
      'Share of the counted rows in which both sides have the same most probable class, weighted by the mask.',
      0.98,
    ),
    standard_error: standardError('the fraction', 0.004),
  },
  { title: 'Agreement', additionalProperties: false, description: 'Agreement of the most probable classes.' },
);

const ProbabilityDifference = Type.Object(
  {
    mean: numberOrNull('Mean of q_y − p_y.', -0.0002),
    standard_error: standardError('the mean', 0.0001),
    rms: numberOrNull('√ of the mean of (q_y − p_y)².', 0.012),
    rms_standard_error: standardError('rms', 0.001),
    min: numberOrNull('Least difference.', -0.2),
    max: numberOrNull('Greatest difference.', 0.15),
    percentiles: percentiles(DIFFERENCE_PERCENTILES, 'ProbabilityPercentiles'),
  },
  {
    title: 'ProbabilityDifference',
    additionalProperties: false,
    description:
      'Probability of the label under `logits` minus that under `reference`, as a fraction; with labels only.',
  },
);

const Perplexity = Type.Object(
  {
    logits: valueAndError('PerplexityOfLogits', 'exp of the mean nll of `logits`.', 6.21),
    reference: valueAndError('PerplexityOfReference', 'exp of the mean nll of `reference`.', 6.2),
    log_ratio: valueAndError('PerplexityLogRatio', 'Mean of nll − reference_nll: ln of the ratio.', 0.0016),
    ratio: valueAndError('PerplexityRatio', 'Perplexity of `logits` over that of `reference`.', 1.0016),
    difference: valueAndError('PerplexityDifference', 'Perplexity of `logits` minus that of `reference`.', 0.01),
    correlation: numberOrNull(
      'Correlation over rows between the nll of both sides; null when the nll of one side is constant.',
      0.9991,
    ),
  },
  {
    title: 'ComparedPerplexity',
    additionalProperties: false,
    description: 'Perplexities of both sides on the labels. Present only with labels.',
  },
);

const WorstRow = Type.Object(
  {
    row: count('Row of the batch, from 0.', 17),
    kl_divergence: numberOrNonFinite('Its divergence, in nats.', 0.4),
    prediction: Type.Integer({
      minimum: -1,
      maximum: 2 ** 31 - 1,
      description: 'Most probable class under `logits`.',
      examples: [11],
    }),
    reference_prediction: Type.Integer({
      minimum: -1,
      maximum: 2 ** 31 - 1,
      description: 'Most probable class under `reference`; −1 when the top K does not determine it.',
      examples: [12],
    }),
    label: Type.Optional(count('Its label.', 12)),
    nll: Type.Optional(numberOrNonFinite('nll of the label under `logits`.', 1.5)),
    reference_nll: Type.Optional(numberOrNonFinite('nll of the label under `reference`.', 0.9)),
  },
  { title: 'DivergentRow', additionalProperties: false, description: 'A row with a large divergence.' },
);

const { logits: counts, locations, masked_rows_non_finite, nulls, labels } = Diagnostics.properties;

const SideReport = Type.Object(
  {
    counts,
    locations,
    masked_rows_non_finite,
    float16: Type.Optional(RangeReport),
    float8: Type.Optional(RangeReport),
  },
  {
    title: 'SideReport',
    additionalProperties: false,
    description: 'Non-finite values, and signs of overflow, in one of the two sets of logits.',
  },
);

export const ComparisonDiagnostics = Type.Object(
  {
    verdict: Type.Enum(['finite', 'non_finite'], {
      description: '`finite` when the numerator is finite.',
      examples: ['finite'],
    }),
    summary: Type.String({
      description: 'The findings in one line, for logs and notebooks.',
      examples: ['the divergence is finite'],
    }),
    causes: Type.Array(
      Type.Object(
        {
          side: Type.Enum(['logits', 'reference'], { description: 'The side with this cause.', examples: ['logits'] }),
          cause: Type.Enum([...COMPARISON_CAUSES], {
            title: 'ComparisonCauseName',
            description:
              '`nan_logit`, `pos_inf_logit`, `all_neg_inf_row`: a counted row holds NaN, holds +Inf, or has only −Inf, so its divergence is NaN. `reference_mass_at_neg_inf`: the logit of a class is −Inf in `logits`, but its probability under `reference` is not 0, so forward KL is +Inf. `logits_mass_at_neg_inf`: the same with the sides swapped, so reverse KL is +Inf. `neg_inf_at_label`: the logit of the label is −Inf, so its nll and the perplexity are +Inf. `accumulation_overflow`: the sum exceeds the range of float64. `zero_denominator`: nothing is counted.',
            examples: ['nan_logit'],
          }),
          rows: count('Number of counted rows with this cause; 0 if the cause is not in single rows.', 3),
          first: Type.Optional(Place),
        },
        {
          title: 'ComparisonCause',
          additionalProperties: false,
          description: 'A cause with its side and, if it is in rows, its first location.',
        },
      ),
      {
        description: 'Causes of a divergence that is not finite, and causes that a finite one may hide.',
        examples: [[]],
      },
    ),
    logits: SideReport,
    reference: Type.Optional(SideReport),
    nan_rows: count('Counted rows whose divergence is NaN: percentiles, extremes and worst rows leave them out.', 0),
    truncated: Type.Boolean({
      description:
        'True when classes of the reference were left out: by `reference_floor`, by `tail: "drop"`, or in a llama.cpp file, which is quantised. The divergence is then Σ p·ln(p/q) over the other classes, and may be slightly negative.',
      examples: [false],
    }),
    nulls,
    labels,
  },
  { title: 'ComparisonDiagnostics', additionalProperties: false, description: 'Causes and places of both sides.' },
);

/** The answer of POST /v1/kl-divergence. */
export const Comparison = Type.Object(
  {
    loss: Type.Optional(
      numberOrNonFinite(
        'N / D, or N, according to `reduction` and `semantics`. Absent with `reduction: "none"`.',
        0.0021,
      ),
    ),
    numerator: numberOrNonFinite('N = Σ m·divergence over counted rows, in nats.', 0.0042),
    denominator: numberOrNonFinite('D = Σ m over counted rows, without the terms that `semantics` adds.', 2),
    kl_divergence: DivergenceStatistics,
    top1_agreement: Agreement,
    probability_difference: Type.Optional(ProbabilityDifference),
    perplexity: Type.Optional(Perplexity),
    rows: RowCounts,
    outputs: Type.Unsafe<Record<string, Tensor>>(
      Type.Object(Object.fromEntries(TENSOR_OUTPUTS.map((name) => [name, Type.Optional(ReplyTensor)])), {
        title: 'ComparisonOutputs',
        additionalProperties: false,
        description: 'The tensors that `options.outputs` requested, by name.',
        examples: [{}],
      }),
    ),
    sequences: comparedSequences,
    worst_rows: Type.Array(WorstRow, {
      maxItems: MOST_WORST_ROWS,
      description: 'The counted rows with the largest divergence, worst first; at most `options.worst_rows`.',
      examples: [[]],
    }),
    diagnostics: ComparisonDiagnostics,
    kernel: Type.String({
      pattern: `^${KERNEL_PATTERN}$`,
      description: 'Kernel that computed the result. Equal requests to the same kernel give bit-identical results.',
      examples: ['f32-relaxed-simd'],
    }),
  },
  { title: 'Comparison', additionalProperties: false, description: 'Two sets of logits compared.' },
);

export type Comparison = Static<typeof Comparison>;
export type ComparisonDiagnostics = Static<typeof ComparisonDiagnostics>;
export type SideReport = Static<typeof SideReport>;
