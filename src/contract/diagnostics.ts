import { Type } from '#typebox';
import type { Static } from '#typebox';
import { CAUSES } from '../diagnostics/causes.ts';
import { MOST_LOCATIONS } from '../loss/options.ts';
import { ELEMENT_TYPES, FLOAT_DTYPES, NARROW_RANGES } from '../tensor/dtype.ts';
import type { FloatDType } from '../tensor/dtype.ts';
import { count, nonFinite, numberOrNonFinite } from './tensor.ts';

/** Place of a non-finite value. */
export const Place = Type.Object(
  {
    row: count('Row of the batch, from 0, in row-major order of the leading axes.', 17),
    column: count('Class, from 0.', 20011),
    value: nonFinite('The non-finite value.'),
    is_label: Type.Boolean({ description: 'True when the column is the row’s label.', examples: [false] }),
    masked: Type.Boolean({
      description: 'True when the row is left out, by the mask or by `ignore_index`.',
      examples: [false],
    }),
  },
  { title: 'Place', additionalProperties: false, description: 'Place of a non-finite logit, or probability.' },
);

const label = (description: string, example: number) =>
  Type.Integer({
    minimum: Number.MIN_SAFE_INTEGER,
    maximum: Number.MAX_SAFE_INTEGER,
    description,
    examples: [example],
  });

/** A property of each dtype of a narrow range, in words. */
function ofNarrow(valueOf: (dtype: FloatDType) => string | number): string {
  const narrow = FLOAT_DTYPES.filter((dtype) => NARROW_RANGES[dtype] !== undefined);
  return narrow.map((dtype) => `${valueOf(dtype)} of ${dtype}`).join(', ');
}

/** Signs of overflow and underflow in values of a narrow range. */
export const RangeReport = Type.Object(
  {
    at_largest: count(
      `Number of values equal to the largest finite value of the dtype: ${ofNarrow((dtype) => NARROW_RANGES[dtype]!.largest)}.`,
      0,
    ),
    subnormal_fraction: Type.Number({
      minimum: 0,
      maximum: 1,
      description: `Share of subnormal values, which have lost precision: 0 < |x| < ${ofNarrow((dtype) => `2^−${-ELEMENT_TYPES[dtype].float.leastNormalExponent}`)}. An evaluation samples the first 256 values of each counted row; a diagnosis reads all values.`,
      examples: [0.001],
    }),
    hint: Type.Optional(
      Type.String({
        description: 'Present when the values suggest overflow.',
        examples: ['the logits look like overflow of float16'],
      }),
    ),
  },
  {
    title: 'RangeReport',
    additionalProperties: false,
    description:
      'Signs of overflow and underflow, over counted rows: `float16` for float16, `float8` for the float8 dtypes; absent for other dtypes. float8_e4m3fn has no Infinity: values beyond 448 become NaN.',
  },
);

const WorstRow = Type.Object(
  {
    row: count('Row of the batch, from 0.', 17),
    label: count('Label of the row; with class probabilities, the most probable class.', 20011),
    loss: numberOrNonFinite('nll of the row, in nats, without weights, smoothing and mask.', 14.2),
    target_rank: Type.Optional(
      Type.Integer({
        minimum: -1,
        maximum: 2 ** 31 - 1,
        description:
          'Number of classes that rank before the label, as in `outputs.target_rank`. Absent in combined partials.',
        examples: [8412],
      }),
    ),
  },
  { title: 'WorstRow', additionalProperties: false, description: 'A row with a large loss.' },
);

/** Number of nulls in a request. */
const Nulls = count(
  'Number of null entries in `logits` and `label`. They are read as NaN, because some JSON writers write NaN as null. Absent when there are none.',
  1,
);

/** Diagnostics of a batch: causes and places. */
export const Diagnostics = Type.Object(
  {
    verdict: Type.Enum(['finite', 'non_finite'], {
      description: '`finite` when loss, numerator and z_loss are finite.',
      examples: ['finite'],
    }),
    summary: Type.String({
      description: 'The findings in one line, for logs and notebooks.',
      examples: ['NaN in 3 of 4096 rows; first at row 17, class 20011 (not the label)'],
    }),
    causes: Type.Array(
      Type.Object(
        {
          cause: Type.Enum([...CAUSES], {
            title: 'CauseName',
            description:
              '`nan_logit`, `pos_inf_logit`: a counted row holds NaN or +Inf, so its loss is NaN; with `softcap`, +Inf leaves the loss finite. `all_neg_inf_row`: all logits of a counted row are −Inf, so its loss is NaN. `neg_inf_at_label`: the logit of the label, or of a class with a probability other than 0, is −Inf, so nll is +Inf. The loss is +Inf too, unless the weight of the class is 0 or negative. `neg_inf_smoothed`: the logit of a class is −Inf, and `label_smoothing` gives the class a share of the target. The loss is +Inf; −Inf if the weight of the class is negative; NaN if both occur. `non_finite_probability`: a row of class probabilities holds a non-finite value, so its loss is not finite. `zero_denominator`: D is 0, because nothing is counted or the class weights of the counted rows sum to 0. `accumulation_overflow`: the loss of a row, or the sum over rows, exceeds the range of float64. With `invalid_label: "zero_loss"`, the non-finite logits of a row with an invalid label are reported too, although its loss is 0. `zero_denominator` and `accumulation_overflow` have no `first`. In combined partials, other causes may lack it too.',
            examples: ['nan_logit'],
          }),
          rows: count('Number of counted rows with this cause; 0 if the cause is not in single rows.', 3),
          first: Type.Optional(Place),
        },
        {
          title: 'Cause',
          additionalProperties: false,
          description: 'A cause and, if it is in rows, its first location.',
        },
      ),
      {
        description: 'Causes that can make a loss non-finite; they are listed even when the loss is finite.',
        examples: [[]],
      },
    ),
    logits: Type.Object(
      {
        nan: count('NaN logits in counted rows.', 0),
        pos_inf: count('+Inf logits in counted rows.', 0),
        neg_inf: count(
          'Number of −Inf logits in counted rows. −Inf at a class other than the label is valid: that class has probability 0.',
          0,
        ),
        max: Type.Optional(numberOrNonFinite('The greatest finite logit; absent when there is none.', 12.5)),
        bad_rows: count('Number of counted rows that contain NaN, +Inf or −Inf.', 0),
      },
      { title: 'LogitCounts', additionalProperties: false, description: 'Exact counts over counted rows.' },
    ),
    locations: Type.Array(Place, {
      maxItems: MOST_LOCATIONS,
      description:
        'The first non-finite logits in row-major order, including rows that are left out; at most `options.max_locations`.',
      examples: [[]],
    }),
    masked_rows_non_finite: count(
      'Number of left-out rows that contain a non-finite value. These rows do not affect the loss or the verdict.',
      0,
    ),
    nulls: Type.Optional(Nulls),
    labels: Type.Optional(
      Type.Object(
        {
          min: Type.Optional(label('Least label; absent when nothing is counted.', 0)),
          max: Type.Optional(label('Greatest label; absent when nothing is counted.', 50256)),
          out_of_range: count(
            'Number of labels outside [0, C). Always 0, except with `invalid_label: "zero_loss"`.',
            0,
          ),
        },
        {
          additionalProperties: false,
          description: 'Labels of counted rows. Absent without labels, and with class probabilities.',
        },
      ),
    ),
    float16: Type.Optional(RangeReport),
    float8: Type.Optional(RangeReport),
    probabilities: Type.Optional(
      Type.Object(
        {
          not_one: count('Counted rows whose probabilities sum to less than 0.999 or more than 1.001.', 0),
          negative: count('Counted rows with a negative probability.', 0),
        },
        {
          additionalProperties: false,
          description: 'Invalid class probabilities; absent with class indices.',
        },
      ),
    ),
    gradient: Type.Optional(
      Type.Object(
        {
          norm: numberOrNonFinite('Euclidean norm of the gradient with respect to the logits.', 0.7),
          finite: Type.Boolean({ description: 'True when every element of the gradient is finite.', examples: [true] }),
        },
        {
          additionalProperties: false,
          description: 'Norm of the gradient. Present with `check_for_nan_in_loss_and_grad`.',
        },
      ),
    ),
    rows_without_prediction: Type.Optional(
      count(
        'Number of counted rows without a prediction, because one of their logits is NaN. `accuracy` and `top5_accuracy` count them as misses; `ece` leaves them out. Absent when no output or metric needs predictions.',
        0,
      ),
    ),
    worst_rows: Type.Array(WorstRow, {
      maxItems: 5,
      description: 'The counted rows with the largest nll, the worst first; NaN is worse than every number.',
      examples: [[{ row: 17, label: 20011, loss: 14.2, target_rank: 8412 }]],
    }),
    local_losses: Type.Optional(
      Type.Array(numberOrNonFinite('Σ m·ℓ / (Σ m + 1e-8) of a group.', 0.6581), {
        description:
          'Local loss of each data-parallel group, in row order. Present with `check_for_nan_in_loss_and_grad`, or with more than one group.',
        examples: [[0.6581]],
      }),
    ),
  },
  { title: 'Diagnostics', additionalProperties: false, description: 'Causes and places of non-finite values.' },
);

export type Diagnostics = Static<typeof Diagnostics>;
export type RangeReport = Static<typeof RangeReport>;
