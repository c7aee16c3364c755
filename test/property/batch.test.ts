import { Readable } from 'node:stream';
import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { afterAll, expect, test } from 'vitest';
import { Evaluator } from '../../src/evaluation/evaluator.ts';
import type { Evaluation } from '../../src/evaluation/evaluator.ts';
import { KernelPool } from '../../src/pool/pool.ts';
import { FLOAT_DTYPES } from '../../src/tensor/dtype.ts';
import type { FloatDType } from '../../src/tensor/dtype.ts';
import { exactSum, nll } from '../reference.ts';
import { decode, encode } from '../rows.ts';

const pool = new KernelPool({
  workers: 2,
  kernel: 'auto',
  slabBytes: 512,
  maxRowBytes: 2 ** 26,
  maxSlabBytes: 2 ** 20,
  inlineLogits: 0,
});
const evaluator = new Evaluator(pool, { maxBodyBytes: 2 ** 30, maxJsonBytes: 2 ** 20, maxBytesInFlight: 2 ** 20 });
const packr = new Packr({ useRecords: false, variableMapSize: true });
afterAll(() => pool.close());

interface Batch {
  dtype: FloatDType;
  rows: { logits: number[]; label: number; mask: number }[];
}

/** Small batches in which every kind of value may stand. */
const batches: fc.Arbitrary<Batch> = fc
  .record({ dtype: fc.constantFrom(...FLOAT_DTYPES), classes: fc.integer({ min: 1, max: 40 }) })
  .chain(({ dtype, classes }) => {
    const finite = fc.double({ min: -100, max: 100, noNaN: true });
    const logit = fc.oneof(
      { weight: 40, arbitrary: finite },
      { weight: 1, arbitrary: fc.constantFrom(-Infinity, Infinity, Number.NaN) },
    );
    const row = fc.record({
      logits: fc.array(logit, { minLength: classes, maxLength: classes }),
      label: fc.integer({ min: 0, max: classes - 1 }),
      mask: fc.oneof(fc.constantFrom(0, 1), fc.double({ min: 0, max: 10, noNaN: true })),
    });
    return fc.record({ dtype: fc.constant(dtype), rows: fc.array(row, { minLength: 1, maxLength: 30 }) });
  });

async function evaluate({ dtype, rows }: Batch, options: object = {}): Promise<Evaluation> {
  const classes = rows[0]!.logits.length;
  const body = packr.pack({
    options: { outputs: ['per_token_loss'], ...options },
    label: rows.map((row) => row.label),
    input_mask: { dtype: 'float64', shape: [rows.length], data: rows.map((row) => row.mask) },
    logits: {
      dtype,
      shape: [rows.length, classes],
      data: encode(
        dtype,
        rows.flatMap((row) => row.logits),
      ),
    },
  });
  const stream = Readable.from([body]);
  return (await evaluator.evaluate({ stream, contentType: 'application/msgpack', contentLength: body.byteLength }))
    .evaluation;
}

function perToken(evaluation: Evaluation): Float64Array {
  return new Float64Array(Uint8Array.from(evaluation.outputs['per_token_loss']!.data).buffer);
}

test('numerator, denominator and rows are those of the float64 reference', async () => {
  await fc.assert(
    fc.asyncProperty(batches, async (batch) => {
      const evaluation = await evaluate(batch);
      const expected = batch.rows.map(({ logits, label, mask }) =>
        mask === 0 ? 0 : mask * nll(decode(batch.dtype, encode(batch.dtype, logits)), label),
      );
      perToken(evaluation).forEach((loss, row) => {
        const wanted = expected[row]!;
        if (!Number.isFinite(wanted)) expect(loss).toBe(wanted);
        else expect(Math.abs(loss - wanted)).toBeLessThanOrEqual(2e-6 * batch.rows[row]!.mask);
      });
      expect(evaluation.numerator).toBe(exactSum(perToken(evaluation)));
      expect(evaluation.denominator).toBe(exactSum(batch.rows.map((row) => row.mask)));
    }),
  );
});

test('masking rows is removing them, to the bit', async () => {
  await fc.assert(
    fc.asyncProperty(batches, async (batch) => {
      const kept = batch.rows.filter((row) => row.mask !== 0);
      fc.pre(kept.length > 0);
      const [masked, removed] = await Promise.all([evaluate(batch), evaluate({ ...batch, rows: kept })]);
      expect([masked.loss, masked.numerator, masked.denominator]).toEqual([
        removed.loss,
        removed.numerator,
        removed.denominator,
      ]);
      expect(masked.diagnostics.logits).toEqual(removed.diagnostics.logits);
    }),
  );
});

test('a row’s loss does not depend on the rows beside it, to the bit', async () => {
  await fc.assert(
    fc.asyncProperty(batches, fc.nat(), async (batch, seed) => {
      const row = batch.rows[seed % batch.rows.length]!;
      const alone = perToken(await evaluate({ ...batch, rows: [row] }))[0];
      expect(perToken(await evaluate(batch))[seed % batch.rows.length]).toBe(alone);
    }),
  );
});

test('the parts of a split batch sum to the whole', async () => {
  await fc.assert(
    fc.asyncProperty(batches, fc.nat(), async (batch, seed) => {
      const cut = seed % batch.rows.length;
      fc.pre(cut > 0);
      const [whole, ...parts] = await Promise.all([
        evaluate(batch, { reduction: 'sum' }),
        evaluate({ ...batch, rows: batch.rows.slice(0, cut) }, { reduction: 'sum' }),
        evaluate({ ...batch, rows: batch.rows.slice(cut) }, { reduction: 'sum' }),
      ]);
      const sum = parts[0].loss! + parts[1].loss!;
      if (!Number.isFinite(sum)) expect(whole.loss).toBe(sum);
      else expect(Math.abs(whole.loss! - sum)).toBeLessThanOrEqual(1e-12 * Math.max(1, sum));
    }),
  );
});
