import { expect, test } from 'vitest';
import { extend } from './addition.ts';
import { softmax } from './expected.ts';

const service = extend('A kind of evaluation');

const PATH = { path: '/v1/log-likelihood' };
const [B, T, C] = [5, 4, 11];
const logits = Array.from({ length: B }, (_, b) =>
  Array.from({ length: T }, (_, t) => Array.from({ length: C }, (_, c) => ((b * 31 + t * 17 + c * 7) % 23) / 4)),
);
const best = (row: readonly number[]): number => row.indexOf(Math.max(...row));
/** Labels. They are greedy in the first two sequences; the last label of the second is masked. */
const label = logits.map((rows, b) => rows.map((row, t) => (b < 2 ? best(row) : (b + t) % C)));
const input_mask = logits.map((rows, b) => rows.map((_, t) => (b === 1 && t === T - 1 ? 0 : 1)));

interface Likelihoods {
  sequences: { log_likelihood: number; is_greedy: boolean; tokens: number }[];
}

test('each sequence has its log-likelihood', async () => {
  const { status, body } = await service.post<Likelihoods>({ logits, label, input_mask }, PATH);
  expect(status).toBe(200);
  expect(body.sequences.map(({ tokens }) => tokens)).toEqual([4, 3, 4, 4, 4]);
  expect(body.sequences.map(({ is_greedy }) => is_greedy)).toEqual([true, true, false, false, false]);
  for (const [b, { log_likelihood }] of body.sequences.entries()) {
    const logs = logits[b]!.map((row, t) => (input_mask[b]![t] === 0 ? 0 : Math.log(softmax(row)[label[b]![t]!]!)));
    expect(log_likelihood).toBeCloseTo(
      logs.reduce((sum, log) => sum + log, 0),
      6,
    );
  }
});

test('a shift scores the next label', async () => {
  const { body } = await service.post<Likelihoods>({ logits, label, options: { shift: 1 } }, PATH);
  expect(body.sequences.map(({ tokens }) => tokens)).toEqual([3, 3, 3, 3, 3]);
  const expected = logits[0]!.slice(0, -1).reduce((sum, row, t) => sum + Math.log(softmax(row)[label[0]![t + 1]!]!), 0);
  expect(body.sequences[0]!.log_likelihood).toBeCloseTo(expected, 6);
});

test('class probabilities are rejected', async () => {
  const { status, body } = await service.post({ logits: [[1, 2]], label: [[0.5, 0.5]] }, PATH);
  expect([status, body]).toEqual([422, expect.objectContaining({ code: 'invalid_label' })]);
});

test('the manual has its operation', async () => {
  expect(await service.document('paths', '/v1/log-likelihood', 'post')).toMatchObject({
    operationId: 'evaluateLogLikelihood',
    responses: { 200: { content: { 'application/json': { schema: { $ref: '#/components/schemas/LogLikelihood' } } } } },
  });
});
