import { Type } from 'typebox';
import { ROW_CAUSES } from '../loss/diagnostics.ts';
import { Options } from '../loss/options.ts';
import { AnyDTypes, FloatDTypes, ReplyTensor, numberOrNonFinite, requestTensor } from './tensor.ts';

/** The body of POST /v1/cross-entropy: the same shape in every media type. */
export const CrossEntropyRequest = Type.Object(
  {
    logits: requestTensor(
      FloatDTypes,
      'Scores x of shape (N, C), or (…, C): a row per position, a column per class. In MessagePack it should be the last field: then it streams.',
      [
        [
          [1, 2, 3],
          [0.5, 0.25, 0],
        ],
      ],
    ),
    label: requestTensor(
      AnyDTypes,
      'Integers are class indices: the class y of each row in [0, C), of shape (N,) or (…,), checked on counted rows only. Floats are class probabilities p, shaped like the logits; rows that do not sum to 1 or are negative are accepted, and counted in the diagnostics.',
      [
        [2, 0],
        [
          [0.25, 0.25, 0.5],
          [0.9, 0.1, 0],
        ],
      ],
    ),
    input_mask: Type.Optional(
      requestTensor(
        AnyDTypes,
        'The mask m of each row, of shape (N,) or (…,): bool, integers or floats, finite and not negative. 0 leaves the row out: whatever it holds does not touch the loss. Default: 1 for every row.',
        [[1, 1]],
      ),
    ),
    weight: Type.Optional(
      requestTensor(
        AnyDTypes,
        'The weight w of each class, of shape (C,): finite and not negative. Default: 1 for every class.',
        [[1, 0.5, 2]],
      ),
    ),
    options: Type.Optional(Options),
  },
  {
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

const count = (description: string, example: number) =>
  Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description, examples: [example] });

const Place = Type.Object(
  {
    row: count('Row of the batch, from 0, in row-major order of the leading axes.', 17),
    column: count('Class, from 0.', 20011),
    value: Type.Enum(['NaN', 'Infinity', '-Infinity'], { description: 'What stands there.', examples: ['NaN'] }),
    is_label: Type.Boolean({ description: 'Whether the column is the row’s label.', examples: [false] }),
    masked: Type.Boolean({
      description: 'Whether the row is left out, by the mask or by `ignore_index`.',
      examples: [false],
    }),
  },
  { additionalProperties: false, description: 'Place of a non-finite logit, or probability.' },
);

const Diagnostics = Type.Object(
  {
    verdict: Type.Enum(['finite', 'non_finite'], {
      description: 'Whether loss, numerator and z_loss are finite.',
      examples: ['finite'],
    }),
    causes: Type.Array(
      Type.Object(
        {
          cause: Type.Enum([...ROW_CAUSES, 'zero_denominator', 'accumulation_overflow'], {
            description:
              '`nan_logit`, `pos_inf_logit`: a counted row holds such a value, its loss is NaN (without `softcap`). `all_neg_inf_row`: a counted row is −Inf throughout, its loss is NaN. `neg_inf_at_label`: the label, or a class whose probability is not 0, has the logit −Inf: nll is +Inf, and so is the loss, unless the class has weight 0. `neg_inf_smoothed`: `label_smoothing` gives a class of the logit −Inf its share: the loss is +Inf. `non_finite_probability`: a row of class probabilities holds such a value, its loss is NaN. `zero_denominator`: nothing is counted. `accumulation_overflow`: every logit is finite, the loss of a row or the sum of the rows is not.',
            examples: ['nan_logit'],
          }),
          rows: count('Counted rows it concerns.', 3),
          first: Type.Optional(Place),
        },
        { additionalProperties: false, description: 'A cause with its first place.' },
      ),
      { description: 'Why the loss is not finite, or what it may hide.', examples: [[]] },
    ),
    logits: Type.Object(
      {
        nan: count('NaN logits in counted rows.', 0),
        pos_inf: count('+Inf logits in counted rows.', 0),
        neg_inf: count(
          '−Inf logits in counted rows: at other classes than the label they are legal, and have probability 0.',
          0,
        ),
        bad_rows: count('Counted rows that hold any of these.', 0),
      },
      { additionalProperties: false, description: 'Exact counts over counted rows.' },
    ),
    locations: Type.Array(Place, {
      maxItems: 16,
      description: 'The first non-finite logits in row-major order, those of rows left out among them.',
      examples: [[]],
    }),
    masked_rows_non_finite: count('Rows left out that hold a non-finite logit: they do not touch the loss.', 0),
    probabilities: Type.Optional(
      Type.Object(
        {
          not_one: count('Counted rows whose probabilities sum to less than 0.999 or more than 1.001.', 0),
          negative: count('Counted rows that hold a negative probability.', 0),
        },
        {
          additionalProperties: false,
          description: 'What is odd about class probabilities; absent with class indices.',
        },
      ),
    ),
    gradient: Type.Optional(
      Type.Object(
        {
          norm: numberOrNonFinite('Euclidean norm of the gradient with respect to the logits.', 0.7),
          finite: Type.Boolean({ description: 'Whether every element of it is finite.', examples: [true] }),
        },
        { additionalProperties: false, description: 'With `check_for_nan_in_loss_and_grad`.' },
      ),
    ),
    local_losses: Type.Optional(
      Type.Array(numberOrNonFinite('Σ m·ℓ / (Σ m + 1e-8) of a group.', 0.6581), {
        description:
          'Local loss of each data-parallel group, in row order: with `check_for_nan_in_loss_and_grad`, or with more than one group.',
        examples: [[0.6581]],
      }),
    ),
  },
  { additionalProperties: false, description: 'What is wrong, and where.' },
);

/** The answer of POST /v1/cross-entropy. */
export const CrossEntropyReply = Type.Object(
  {
    loss: Type.Optional(
      numberOrNonFinite(
        'The loss, as `reduction` and `semantics` form it. Absent with `reduction: "none"` and with `calculate_per_token_loss`.',
        0.6581,
      ),
    ),
    numerator: numberOrNonFinite('N = Σ m·ℓ over counted rows, in nats.', 1.3162),
    denominator: numberOrNonFinite(
      'D = Σ m·w_y over counted rows (Σ m for class probabilities), raw: without what `semantics` adds.',
      2,
    ),
    z_loss: numberOrNonFinite('Z = λ·Σ m·lse² over counted rows.', 0),
    mean_nll: numberOrNonFinite(
      'Σ m·nll / Σ m over counted rows, in nats, without weights and smoothing; NaN when nothing is counted. For class probabilities nll = Σ_c p_c·(lse − x_c).',
      0.6581,
    ),
    rows: Type.Object(
      {
        total: count('Rows of the batch: counted + ignored + masked.', 2),
        counted: count('Rows that enter the sums.', 2),
        ignored: count('Rows whose label is ignored and whose mask is not 0.', 0),
        masked: count('Rows whose mask is 0.', 0),
      },
      { additionalProperties: false, description: 'Rows by fate.' },
    ),
    outputs: Type.Object(
      {
        per_token_loss: Type.Optional(ReplyTensor),
        lse: Type.Optional(ReplyTensor),
        gradient: Type.Optional(ReplyTensor),
        predictions: Type.Optional(ReplyTensor),
        target_rank: Type.Optional(ReplyTensor),
        entropy: Type.Optional(ReplyTensor),
      },
      {
        additionalProperties: false,
        description: 'The tensors that `options.outputs` asked for, by name.',
        examples: [{}],
      },
    ),
    metrics: Type.Object(
      {
        perplexity: numberOrNonFinite('exp(mean_nll).', 1.9311),
        bits_per_token: numberOrNonFinite('mean_nll / ln 2.', 0.94944),
        accuracy: Type.Optional(numberOrNonFinite('Share of rows whose label is the prediction.', 0.5)),
        top5_accuracy: Type.Optional(numberOrNonFinite('Share of rows whose label is among the first min(5, C).', 1)),
        mean_entropy: Type.Optional(numberOrNonFinite('Mean entropy of the softmax, in nats.', 0.87)),
        ece: Type.Optional(numberOrNonFinite('Expected calibration error over 15 bins.', 0.03)),
      },
      { additionalProperties: false, description: 'Metrics over counted rows, weighted by the mask.' },
    ),
    diagnostics: Diagnostics,
    kernel: Type.String({
      pattern: '^(f16|bf16|f32|f64)-(relaxed|strict)-simd(\\+(f16|bf16|f32|f64)-(relaxed|strict)-simd)*$',
      description:
        'The kernel that computed it: results of the same kernel have the same bits. Of combined partials, the kernels of all.',
      examples: ['f32-relaxed-simd'],
    }),
  },
  { additionalProperties: false, description: 'The evaluated batch.' },
);
