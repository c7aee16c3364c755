import fc from 'fast-check';
import { expect, test } from 'vitest';
import { exactSum, nll } from '../reference.ts';
import { decode, encode } from '../rows.ts';
import { RUNS, batches, elements, evaluateBatch } from './batches.ts';
import type { Evaluation } from '../../src/contract/cross-entropy.ts';

const perToken = (evaluation: Evaluation): Float64Array => elements(evaluation, 'per_token_loss');

test('numerator, denominator and rows are those of the float64 reference', async () => {
  await fc.assert(
    fc.asyncProperty(batches, async (batch) => {
      const evaluation = await evaluateBatch(batch);
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
    RUNS,
  );
});

test('masking rows is removing them, to the bit', async () => {
  await fc.assert(
    fc.asyncProperty(batches, async (batch) => {
      const kept = batch.rows.filter((row) => row.mask !== 0);
      fc.pre(kept.length > 0);
      const [masked, removed] = await Promise.all([evaluateBatch(batch), evaluateBatch({ ...batch, rows: kept })]);
      expect([masked.loss, masked.numerator, masked.denominator]).toEqual([
        removed.loss,
        removed.numerator,
        removed.denominator,
      ]);
      expect(masked.diagnostics.logits).toEqual(removed.diagnostics.logits);
    }),
    RUNS,
  );
});

test('a row’s loss does not depend on the rows beside it, to the bit', async () => {
  await fc.assert(
    fc.asyncProperty(batches, fc.nat(), async (batch, seed) => {
      const row = batch.rows[seed % batch.rows.length]!;
      const alone = perToken(await evaluateBatch({ ...batch, rows: [row] }))[0];
      expect(perToken(await evaluateBatch(batch))[seed % batch.rows.length]).toBe(alone);
    }),
    RUNS,
  );
});

test('the parts of a split batch sum to the whole', async () => {
  await fc.assert(
    fc.asyncProperty(batches, fc.nat(), async (batch, seed) => {
      const cut = seed % batch.rows.length;
      fc.pre(cut > 0);
      const [whole, ...parts] = await Promise.all([
        evaluateBatch(batch, { reduction: 'sum' }),
        evaluateBatch({ ...batch, rows: batch.rows.slice(0, cut) }, { reduction: 'sum' }),
        evaluateBatch({ ...batch, rows: batch.rows.slice(cut) }, { reduction: 'sum' }),
      ]);
      const sum = parts[0].loss! + parts[1].loss!;
      if (!Number.isFinite(sum)) expect(whole.loss).toBe(sum);
      else expect(Math.abs(whole.loss! - sum)).toBeLessThanOrEqual(1e-12 * Math.max(1, sum));
    }),
    RUNS,
  );
});
