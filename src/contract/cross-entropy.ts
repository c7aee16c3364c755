import { Type } from '#typebox';
import type { Static } from '#typebox';
import { KERNEL_PATTERN } from '../../kernels/name.ts';
import { Options } from '../loss/options.ts';
import { mapValues } from '../map-values.ts';
import { METRICS, STATISTIC_OUTPUTS } from '../statistics/list.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { Diagnostics } from './diagnostics.ts';
import { segments, sequences, textSizes } from './sequences.ts';
import { ReplyTensor, count, nestedArrayOr, numberOrNonFinite, requestTensor } from './tensor.ts';

/** Fields that all requests to evaluate a batch share. */
export const BATCH_FIELDS = {
  logits: requestTensor({
    title: 'Logits',
    kind: 'Float',
    description:
      'Logits x of shape (N, C), (…, C), or (C,) for a single row: one row per position, one column per class. Set `options.class_axis` when the classes are another axis. In MessagePack, send this field last: then it is streamed.',
    examples: [
      [
        [1, 2, 3],
        [0.5, 0.25, 0],
      ],
    ],
  }),
  label: requestTensor({
    title: 'Label',
    kind: 'Any',
    description:
      'Class indices or class probabilities. Integers are class indices: the class y of each row in [0, C), of shape (N,), (…,) or (…, 1), or a number for a single row. Only counted rows are checked. Floats are class probabilities p, shaped like the logits. Numbers without a dtype are class probabilities when they are shaped like the logits. Otherwise they must be whole and are class indices, even when written as 1.0 or as a MessagePack float64. Probabilities that are negative, or do not sum to 1, are accepted and counted in the diagnostics.',
    examples: [
      [2, 0],
      [
        [0.25, 0.25, 0.5],
        [0.9, 0.1, 0],
      ],
    ],
    entries: nestedArrayOr('LabelEntries', [
      Type.Integer({
        minimum: Number.MIN_SAFE_INTEGER,
        maximum: Number.MAX_SAFE_INTEGER,
        description: 'The class of a single row.',
        examples: [2],
      }),
    ]),
  }),
  input_mask: Type.Optional(
    requestTensor({
      title: 'InputMask',
      kind: 'Any',
      description:
        'The mask m of each row, of shape (N,) or (…,), or (…, 1), or a number for a single row: bool, integers or floats, finite and not negative. 0 leaves the row out: its values do not affect the loss. Default: 1 for every row.',
      examples: [[1, 1]],
      entries: nestedArrayOr('MaskEntries', [
        Type.Number({
          minimum: 0,
          maximum: Number.MAX_VALUE,
          description: 'The mask of a single row.',
          examples: [1],
        }),
        Type.Boolean({ description: 'The mask of a single row, as a boolean.', examples: [true] }),
      ]),
    }),
  ),
  weight: Type.Optional(
    requestTensor({
      title: 'ClassWeight',
      kind: 'Any',
      description:
        'The weight w of each class, of shape (C,): finite; negative only under `semantics: "torch"`. Default: 1 for every class.',
      examples: [[1, 0.5, 2]],
    }),
  ),
  options: Type.Optional(Options),
};

const { options, ...tensors } = BATCH_FIELDS;

/** Request body of POST /v1/cross-entropy: the same structure in every media type. */
export const CrossEntropyRequest = Type.Object(
  { ...tensors, segments, ...textSizes, options },
  {
    title: 'CrossEntropyRequest',
    additionalProperties: false,
    description: 'A batch to evaluate.',
    examples: [
      {
        logits: [
          [1, 2, 3],
          [0.5, 0.25, 0],
        ],
        label: [2, 0],
        input_mask: [1, 1],
        options: { reduction: 'mean' },
      },
    ],
  },
);

/** Numbers of counted, ignored and masked rows. */
export const RowCounts = Type.Object(
  {
    total: count('Rows of the batch: counted + ignored + masked.', 2),
    counted: count('Rows that enter the sums.', 2),
    ignored: count('Rows whose label is ignored and whose mask is not 0.', 0),
    masked: count('Rows whose mask is 0.', 0),
  },
  { title: 'RowCounts', additionalProperties: false, description: 'Numbers of counted, ignored and masked rows.' },
);

/** The answer of POST /v1/cross-entropy. */
export const Evaluation = Type.Object(
  {
    loss: Type.Optional(
      numberOrNonFinite(
        'The loss, according to `reduction` and `semantics`. Absent with `reduction: "none"` and with `calculate_per_token_loss`.',
        0.6581,
      ),
    ),
    numerator: numberOrNonFinite('N = Σ m·ℓ over counted rows, in nats.', 1.3162),
    denominator: numberOrNonFinite(
      'D = Σ m·w_y over counted rows (Σ m for class probabilities), without the terms that `semantics` adds.',
      2,
    ),
    z_loss: numberOrNonFinite('Z = λ·Σ m·lse² over counted rows.', 0),
    mean_nll: numberOrNonFinite(
      'Σ m·nll / Σ m over counted rows, in nats, without weights and smoothing; NaN when nothing is counted. For class probabilities nll = Σ_c p_c·(lse − x_c).',
      0.6581,
    ),
    rows: RowCounts,
    outputs: Type.Unsafe<Record<string, Tensor>>(
      Type.Object(
        {
          per_token_loss: Type.Optional(ReplyTensor),
          gradient: Type.Optional(ReplyTensor),
          ...mapValues(STATISTIC_OUTPUTS, () => Type.Optional(ReplyTensor)),
        },
        {
          title: 'Outputs',
          additionalProperties: false,
          description: 'The tensors that `options.outputs` requested, by name.',
          examples: [{}],
        },
      ),
    ),
    metrics: Type.Object(
      {
        perplexity: numberOrNonFinite('exp(mean_nll).', 1.9311),
        bits_per_token: numberOrNonFinite('mean_nll / ln 2.', 0.94944),
        ...mapValues(METRICS, ({ meaning, example }) => Type.Optional(numberOrNonFinite(meaning, example))),
      },
      {
        title: 'Metrics',
        additionalProperties: false,
        description: 'Metrics over counted rows, weighted by the mask.',
      },
    ),
    sequences,
    diagnostics: Diagnostics,
    kernel: Type.String({
      pattern: `^${KERNEL_PATTERN}(\\+${KERNEL_PATTERN})*$`,
      description:
        'Kernel that computed the result. Equal requests to the same kernel give bit-identical results. For combined partials, the kernels of all partials, joined by `+`.',
      examples: ['f32-relaxed-simd'],
    }),
  },
  { title: 'Evaluation', additionalProperties: false, description: 'The evaluated batch.' },
);

export type Evaluation = Static<typeof Evaluation>;
