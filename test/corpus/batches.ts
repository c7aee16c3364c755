/** Random batches of any dtype, kind of label and option. Some of their values are far apart, infinite or NaN. */
import fc from 'fast-check';
import { KERNEL_DTYPES } from '../../src/tensor/dtype.ts';
import type { FloatDType } from '../../src/tensor/dtype.ts';
import { encode } from '../rows.ts';

type Fields = Record<string, unknown>;

const OUTPUTS = ['per_token_loss', 'lse', 'gradient', 'predictions', 'target_rank', 'entropy'];
const METRICS = ['accuracy', 'top5_accuracy', 'mean_entropy', 'ece'];

const value = fc.oneof(
  { weight: 20, arbitrary: fc.double({ min: -20, max: 20, noNaN: true }) },
  { weight: 2, arbitrary: fc.constantFrom(0, -0, 1e-30, 6e4, -1e9, 1e38, -3e38) },
  { weight: 1, arbitrary: fc.constantFrom(Infinity, -Infinity, Number.NaN) },
);

const options = fc.record(
  {
    reduction: fc.constantFrom('mean', 'sum', 'none'),
    semantics: fc.constantFrom('mindformers', 'torch', 'megatron'),
    ignore_index: fc.constantFrom(-100, 0, [0, -100]),
    label_smoothing: fc.constantFrom(0, 0.1),
    lse_square_scale: fc.constantFrom(0, 1e-4),
    softcap: fc.constantFrom(5, 30),
    logit_scale: fc.constantFrom(0.5, 2),
    invalid_label: fc.constantFrom('error', 'zero_loss'),
    check_for_nan_in_loss_and_grad: fc.boolean(),
    max_locations: fc.constantFrom(0, 2, 16),
    outputs: fc.subarray(OUTPUTS),
    metrics: fc.subarray(METRICS),
  },
  { requiredKeys: [] },
);

export const batch: fc.Arbitrary<Fields> = fc
  .record({
    dtype: fc.constantFrom(...KERNEL_DTYPES),
    rows: fc.integer({ min: 1, max: 6 }),
    classes: fc.integer({ min: 1, max: 12 }),
  })
  .chain(({ dtype, rows, classes }) => {
    const tensor = (shape: number[], values: fc.Arbitrary<number>, of: FloatDType = dtype): fc.Arbitrary<object> => {
      const length = shape.reduce((a, b) => a * b, 1);
      return fc
        .array(values, { minLength: length, maxLength: length })
        .map((numbers) => ({ dtype: of, shape, data: encode(of, numbers) }));
    };
    const labels = fc
      .array(fc.integer({ min: -1, max: classes - 1 }), { minLength: rows, maxLength: rows })
      .map((numbers) => ({ dtype: 'int32', shape: [rows], data: new Uint8Array(Int32Array.from(numbers).buffer) }));
    const probabilities = tensor([rows, classes], fc.double({ min: 0, max: 1, noNaN: true }), 'float32');
    const positive = fc.double({ min: 0, max: 4, noNaN: true });
    return fc.record(
      {
        options,
        input_mask: tensor([rows], positive, 'float32'),
        weight: tensor([classes], positive, 'float32'),
        label: fc.oneof({ weight: 4, arbitrary: labels }, { weight: 1, arbitrary: probabilities }),
        logits: tensor([rows, classes], value),
      },
      { requiredKeys: ['label', 'logits'] },
    );
  });
