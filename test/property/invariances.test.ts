import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Evaluation } from '../../src/contract/cross-entropy.ts';
import { KERNEL_DTYPES } from '../../src/tensor/dtype.ts';
import { RUNS, batches, batchesOf, elements, evaluate, evaluateBatch, inline, onWorkers, tensor } from './batches.ts';
import type { Batch } from './batches.ts';

const perToken = (evaluation: Evaluation): Float64Array => elements(evaluation, 'per_token_loss');

/** The bits of each row of the gradient, as text. */
function gradientRows(evaluation: Evaluation): string[] {
  const { shape, data } = evaluation.outputs['gradient']!;
  const rowBytes = data.byteLength / shape[0]!;
  return Array.from({ length: shape[0]! }, (_, row) =>
    Buffer.from(data.subarray(row * rowBytes, (row + 1) * rowBytes)).toString('hex'),
  );
}

/** Expects equal non-finite values, or an error within a bound relative to the larger of 1 and the expected value. */
function expectClose(actual: number, expected: number, bound: number): void {
  if (!Number.isFinite(expected)) expect(actual).toBe(expected);
  else expect(Math.abs(actual - expected)).toBeLessThanOrEqual(bound * Math.max(1, Math.abs(expected)));
}

const accuracyOf = ({ dtype }: Batch): number => (dtype === 'float64' ? 1e-11 : 1e-6);

test('adding a constant to a row changes neither its loss nor its gradient', async () => {
  // Halves below 64 and their sums with the constant are exact in every dtype.
  const halves = fc.integer({ min: -32, max: 32 }).map((half) => half / 2);
  const constants = fc.array(halves, { minLength: 30, maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(batchesOf(halves), constants, async (batch, constants) => {
      const moved = batch.rows.map((row, r) => ({ ...row, logits: row.logits.map((x) => x + constants[r]!) }));
      const options = {
        outputs: ['per_token_loss', 'gradient'],
        reduction: 'sum',
        ...(batch.dtype !== 'float64' && { gradient_dtype: 'float32' }),
      };
      const [before, after] = await Promise.all([
        evaluateBatch(batch, options),
        evaluateBatch({ ...batch, rows: moved }, options),
      ]);
      expect(after.denominator).toBe(before.denominator);
      const classes = batch.rows[0]!.logits.length;
      const bounds = batch.rows.map(({ mask }) => accuracyOf(batch) * Math.max(1, mask));
      perToken(after).forEach((loss, row) => expectClose(loss, perToken(before)[row]!, bounds[row]!));
      const gradient = elements(before, 'gradient');
      elements(after, 'gradient').forEach((g, k) => expectClose(g, gradient[k]!, bounds[Math.floor(k / classes)]!));
    }),
    RUNS,
  );
});

test('permuting rows permutes their losses and gradients to the bit, and leaves the loss', async () => {
  await fc.assert(
    fc.asyncProperty(batches, fc.infiniteStream(fc.nat()), async (batch, stream) => {
      const order = batch.rows.map((_, row) => ({ row, key: stream.next().value }));
      order.sort((a, b) => a.key - b.key);
      const options = { outputs: ['per_token_loss', 'gradient'], reduction: 'sum' };
      const [before, after] = await Promise.all([
        evaluateBatch(batch, options),
        evaluateBatch({ ...batch, rows: order.map(({ row }) => batch.rows[row]!) }, options),
      ]);
      expectClose(after.loss!, before.loss!, 1e-12);
      expectClose(after.denominator, before.denominator, 1e-12);
      const losses = perToken(before);
      expect(perToken(after)).toEqual(Float64Array.from(order, ({ row }) => losses[row]!));
      const gradients = gradientRows(before);
      expect(gradientRows(after)).toEqual(order.map(({ row }) => gradients[row]!));
    }),
    RUNS,
  );
});

test('splitting the vocabulary leaves the loss and the row losses, and lse to a last place of float32', async () => {
  const options = { outputs: ['per_token_loss', 'lse'], reduction: 'sum' };
  await fc.assert(
    fc.asyncProperty(batches, async (batch) => {
      const whole = await evaluateBatch(batch, options);
      const classes = batch.rows[0]!.logits.length;
      const degrees = Array.from({ length: classes }, (_, k) => k + 1).filter((degree) => classes % degree === 0);
      const all = degrees.map((model_parallel) =>
        evaluateBatch(batch, { ...options, parallel_config: { model_parallel } }),
      );
      for (const split of await Promise.all(all)) {
        const lses = elements(split, 'lse');
        elements(whole, 'lse').forEach((lse, row) => expectClose(lses[row]!, lse, 2 ** -23));
        const losses = perToken(split);
        perToken(whole).forEach((loss, row) =>
          expectClose(losses[row]!, loss, accuracyOf(batch) * Math.max(1, batch.rows[row]!.mask)),
        );
        expect(split.denominator).toBe(whole.denominator);
        // The losses of rows differ in the last place.
        const worst = { worst_rows: expect.anything() as unknown };
        expect({ ...split.diagnostics, ...worst }).toEqual({ ...whole.diagnostics, ...worst });
      }
    }),
    RUNS,
  );
});

test('numerators and denominators of micro-batches on ranks sum to those of the whole', async () => {
  const options = { calculate_per_token_loss: true, lse_square_scale: 1e-3 };
  await fc.assert(
    fc.asyncProperty(batches, fc.integer({ min: 1, max: 8 }), async (batch, size) => {
      const parts = Array.from({ length: Math.ceil(batch.rows.length / size) }, (_, k) =>
        batch.rows.slice(k * size, (k + 1) * size),
      );
      const [whole, ...ranks] = await Promise.all([
        evaluateBatch(batch, options),
        ...parts.map((rows) => evaluateBatch({ ...batch, rows }, options)),
      ]);
      for (const name of ['numerator', 'denominator', 'z_loss'] as const) {
        const sum = ranks.reduce((total, rank) => total + rank[name], 0);
        expectClose(whole[name], sum, 1e-12);
      }
      const counted = ranks.reduce((total, rank) => total + rank.rows.counted, 0);
      expect([whole.rows.counted, whole.loss]).toEqual([counted, undefined]);
    }),
    RUNS,
  );
});

test('masking rows is removing them: the others have the gradient they had, to the bit, and these 0', async () => {
  const options = { outputs: ['gradient'], check_for_nan_in_loss_and_grad: true };
  await fc.assert(
    fc.asyncProperty(batches, async (batch) => {
      const kept = batch.rows.filter((row) => row.mask !== 0);
      fc.pre(kept.length > 0);
      const [masked, removed] = await Promise.all([
        evaluateBatch(batch, options),
        evaluateBatch({ ...batch, rows: kept }, options),
      ]);
      const rows = gradientRows(masked);
      expect(rows.filter((_bits, row) => batch.rows[row]!.mask !== 0)).toEqual(gradientRows(removed));
      const zero = '0'.repeat(rows[0]!.length);
      for (const [row, bits] of rows.entries()) if (batch.rows[row]!.mask === 0) expect(bits).toBe(zero);
      expect(masked.diagnostics.gradient).toEqual(removed.diagnostics.gradient);
    }),
    RUNS,
  );
});

test('one-hot class probabilities are class indices', async () => {
  const finite = batchesOf(fc.double({ min: -30, max: 30, noNaN: true }), { maxClasses: 20 });
  await fc.assert(
    fc.asyncProperty(finite, fc.constantFrom(...KERNEL_DTYPES), async ({ dtype, rows }, labelDType) => {
      const classes = rows[0]!.logits.length;
      const request = (label: object): object => ({
        options: { outputs: ['per_token_loss', 'gradient'], reduction: 'sum', label_smoothing: 0.1 },
        label,
        input_mask: tensor(
          'float64',
          [rows.length],
          rows.map((row) => row.mask),
        ),
        logits: tensor(
          dtype,
          [rows.length, classes],
          rows.flatMap((row) => row.logits),
        ),
      });
      const oneHot = rows.flatMap(({ label }) => Array.from({ length: classes }, (_, c) => Number(c === label)));
      const [indices, probabilities] = await Promise.all([
        evaluate(request(rows.map((row) => row.label))),
        evaluate(request(tensor(labelDType, [rows.length, classes], oneHot))),
      ]);
      expectClose(probabilities.loss!, indices.loss!, 1e-12);
      expect(probabilities.denominator).toBe(indices.denominator);
      const gradient = elements(indices, 'gradient');
      // Two results may be neighbours after rounding to the dtype.
      const place = { float16: 2 ** -10, bfloat16: 2 ** -7, float32: 1e-6, float64: 1e-12 }[dtype];
      elements(probabilities, 'gradient').forEach((g, k) => expectClose(g, gradient[k]!, 10 * place));
    }),
    RUNS,
  );
});

test('blocks on workers give the bits of a single block, with class probabilities, weights and a shift too', async () => {
  const shifts = fc.integer({ min: 0, max: 3 });
  await fc.assert(
    fc.asyncProperty(batches, shifts, fc.boolean(), async ({ dtype, rows }, shift, soft) => {
      const classes = rows[0]!.logits.length;
      const probabilities = rows.flatMap(({ label }) => Array.from({ length: classes }, (_, c) => 1 / (2 + c + label)));
      const outputs = ['per_token_loss', 'lse', 'gradient', 'predictions', 'target_rank', 'entropy'];
      const request = {
        options: { outputs, shift, label_smoothing: 0.1, check_for_nan_in_loss_and_grad: true, metrics: ['ece'] },
        label: soft ? tensor('float32', [rows.length, classes], probabilities) : rows.map((row) => row.label),
        weight: Array.from({ length: classes }, (_, c) => 1 + (c % 3)),
        input_mask: tensor(
          'float64',
          [rows.length],
          rows.map((row) => row.mask),
        ),
        logits: tensor(
          dtype,
          [rows.length, classes],
          rows.flatMap((row) => row.logits),
        ),
      };
      expect(await evaluate(request, onWorkers)).toEqual(await evaluate(request, inline));
    }),
    RUNS,
  );
});
