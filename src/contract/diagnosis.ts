import { Type } from '#typebox';
import type { Static } from '#typebox';
import { KERNEL_PATTERN } from '../../kernels/name.ts';
import { BATCH_FIELDS, RowCounts } from './cross-entropy.ts';
import { Diagnostics, RangeReport } from './diagnostics.ts';
import { MOST_COLUMNS } from './limits.ts';
import { FloatDType, count, numberOrNonFinite } from './tensor.ts';

/** Request body of POST /v1/diagnose: the body of an evaluation, in which only the tensor is required. */
export const DiagnosisRequest = Type.Object(
  { ...Type.Partial(Type.Object(BATCH_FIELDS)).properties, logits: BATCH_FIELDS.logits },
  {
    title: 'DiagnosisRequest',
    description:
      'The body of `/v1/cross-entropy` without `segments`, `bytes` and `words`. Only `logits` is required. It is any floating-point tensor of shape (C,), (N, C) or (…, C); a tensor of shape (C,) is one row. `input_mask`, and `label` with `ignore_index`, select the counted rows.',
    additionalProperties: false,
    examples: [
      {
        logits: [
          [1, 'NaN', 3],
          [0.5, 0.25, 0],
        ],
      },
    ],
  },
);

const { causes, locations, masked_rows_non_finite, nulls } = Diagnostics.properties;

const rowNorm = (description: string) =>
  Type.Object(
    { row: count('Row, from 0.', 17), norm: numberOrNonFinite('Its Euclidean norm.', 12.5) },
    { title: 'RowNorm', additionalProperties: false, description },
  );

/** The answer of POST /v1/diagnose. */
export const Diagnosis = Type.Object(
  {
    verdict: Type.Enum(['finite', 'non_finite'], {
      description: '`finite` when every value of the counted rows is finite.',
      examples: ['finite'],
    }),
    summary: Type.String({
      description: 'The findings in one line.',
      examples: ['every value is finite, within [-12.25, 31.5]'],
    }),
    dtype: FloatDType,
    shape: Type.Array(count('Size of an axis.', 4096), {
      description: 'Shape of the tensor.',
      examples: [[4096, 32000]],
    }),
    rows: RowCounts,
    values: Type.Object(
      {
        total: count('Values of the counted rows.', 131072000),
        nan: count('Number of NaN values.', 0),
        pos_inf: count('Number of +Inf values.', 0),
        neg_inf: count('Number of −Inf values.', 0),
        zero: count('Number of zeros.', 12),
        subnormal: count('Number of subnormal values of the dtype. They have lost precision.', 0),
        min: Type.Optional(numberOrNonFinite('Least finite value; absent when there is none.', -12.25)),
        max: Type.Optional(numberOrNonFinite('Greatest finite value; absent when there is none.', 31.5)),
        bad_rows: count('Rows that hold a value that is not finite.', 0),
      },
      { additionalProperties: false, description: 'Exact counts over counted rows.' },
    ),
    causes,
    locations,
    masked_rows_non_finite,
    nulls,
    magnitudes: Type.Array(
      Type.Object(
        {
          exponent: Type.Integer({
            minimum: -1023,
            maximum: 1023,
            description:
              'Exponent e of the values with 2^e ≤ |x| < 2^(e+1). The bin of −1023 also holds all values with 0 < |x| < 2^−1023.',
            examples: [3],
          }),
          count: count('Number of values.', 40960),
        },
        {
          title: 'MagnitudeBin',
          additionalProperties: false,
          description: 'A bin of values with 2^e ≤ |x| < 2^(e+1).',
        },
      ),
      {
        maxItems: 2047,
        description: 'A histogram of finite values other than 0 by their magnitude; empty bins are left out.',
        examples: [[{ exponent: 3, count: 40960 }]],
      },
    ),
    row_norms: Type.Optional(
      Type.Object(
        { smallest: rowNorm('The row of least norm.'), largest: rowNorm('The row of greatest norm.') },
        { additionalProperties: false, description: 'Norms of counted rows, over their finite values.' },
      ),
    ),
    columns: Type.Object(
      {
        bad: count('Number of columns that are not finite in at least one counted row.', 0),
        bad_in_most_rows: count('Columns that are not finite in more than half of the counted rows.', 0),
        worst: Type.Array(
          Type.Object(
            {
              column: count('Column, from 0.', 20011),
              rows: count('Number of counted rows in which the column is not finite.', 4096),
            },
            { title: 'BadColumn', additionalProperties: false, description: 'A column.' },
          ),
          {
            maxItems: MOST_COLUMNS,
            description: 'The columns that are non-finite in the most rows, worst first; ties in column order.',
            examples: [[]],
          },
        ),
      },
      { additionalProperties: false, description: 'Hot spots: columns that are non-finite in many rows.' },
    ),
    float16: Type.Optional(RangeReport),
    float8: Type.Optional(RangeReport),
    kernel: Type.String({
      pattern: `^${KERNEL_PATTERN}$`,
      description: 'The kernel that surveyed the tensor.',
      examples: ['f32-relaxed-simd'],
    }),
  },
  { title: 'Diagnosis', additionalProperties: false, description: 'The survey of a tensor.' },
);

export type Diagnosis = Static<typeof Diagnosis>;
