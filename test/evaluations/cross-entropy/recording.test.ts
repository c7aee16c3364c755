import { expect, test } from 'vitest';
import type { RunBatch } from '../../../src/evaluations/cross-entropy/recording.ts';
import { recordingOf } from '../../../src/evaluations/cross-entropy/recording.ts';
import { evaluated } from '../planned.ts';
import { runAtOnce } from '../../../src/steps.ts';
import { HeldBytes } from '../../../src/wire/body/held-bytes.ts';

const RECORDING = recordingOf({ step: 7, rank: 1 });
const ROWS = [
  [1, 2],
  [3, 5],
];
const label = [1, 0];

const digestOf = async (rows: readonly (readonly number[])[], fields: object): Promise<string> => {
  const { answer } = await evaluated(RECORDING, rows, { ...fields });
  return Buffer.from(answer.digest).toString('hex');
};

test('the digest is that of the content: of its losses, and of the options that they depend on', async () => {
  const digest = await digestOf(ROWS, { label });
  expect(await digestOf(ROWS, { label, options: { outputs: ['lse'] } })).toBe(digest);
  const others = await Promise.all([
    digestOf([[1, 2], [3, 4]], { label }), // prettier-ignore
    digestOf(ROWS, { label: [0, 0] }),
    digestOf(ROWS, { label, options: { reduction: 'sum' } }),
    digestOf(ROWS, { label, input_mask: [1, 0] }),
  ]);
  expect(new Set([digest, ...others]).size).toBe(5);
});

test('the summary names the step and the rank', async () => {
  const { answer } = await evaluated(RECORDING, [[NaN, 1]], { label: [1] }); // prettier-ignore
  expect(answer.evaluation.diagnostics.summary).toMatch(/step 7.*rank 1/);
});

const pairOf = (fields: Record<string, number>): RunBatch =>
  runAtOnce(RECORDING.answerFields!(fields, new HeldBytes(0).open()));

test('a pair is answered without tensors, with a digest of its own', () => {
  const { evaluation, digest } = pairOf({ numerator: 3, denominator: 2 });
  expect(evaluation).toMatchObject({ loss: 1.5, numerator: 3, denominator: 2, diagnostics: { verdict: 'finite' } });
  expect(pairOf({ numerator: 6, denominator: 4 }).digest).not.toEqual(digest);
  expect(() => pairOf({ numerator: 3 })).toThrow('the field denominator is missing');
});

test('a pair beside tensors is refused, after faults of the tensors', async () => {
  await expect(evaluated(RECORDING, ROWS, { label, numerator: 3 })).rejects.toThrow('numerator is given with logits');
  await expect(evaluated(RECORDING, ROWS, { label: 'x', numerator: 3 })).rejects.toThrow('label is "x"');
});
