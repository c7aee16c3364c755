/** Sequences of two sets of logits that are compared, over HTTP. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Comparison } from '../../src/contract/kl-divergence.ts';
import { numbersOf } from '../../src/tensor/tensor.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { WRITERS } from '../request-bodies.ts';
import type { Writer } from '../request-bodies.ts';
import { encode, seededRandom } from '../rows.ts';
import { JSON_TYPE, MSGPACK, Service } from '../service.ts';

/** Service with slabs of a few rows on two workers, and a service that compares inline. */
const service = Service.start({ workers: 2, slabBytes: 1024, inlineLogits: 0 });
const atOnce = Service.start({ inlineLogits: 2 ** 20 });

const [ROWS, CLASSES] = [61, 43];
const LENGTHS = [20, 1, 0, 30, 10];
const random = seededRandom(5);
const values = Array.from({ length: ROWS * CLASSES }, () => (random() - 0.5) * 16);
const floats = (data: number[]): Tensor => ({
  ...{ dtype: 'float32', shape: [ROWS, CLASSES] },
  data: encode('float32', data),
});
const integers = (data: readonly number[]): Tensor => ({
  ...{ dtype: 'int64', shape: [data.length] },
  data: new Uint8Array(BigInt64Array.from(data, BigInt).buffer),
});
const MASK = Array.from({ length: ROWS }, (_, row) => [1, 0.5, 0, 2][row % 4]!);
const FIELDS = {
  reference: floats(values.map((x) => x + (random() - 0.5) * 2)),
  logits: floats(values),
  label: integers(Array.from({ length: ROWS }, (_, row) => (row * 7) % CLASSES)),
  input_mask: { dtype: 'float32', shape: [ROWS], data: encode('float32', MASK) } satisfies Tensor,
  segments: integers(LENGTHS),
};

async function compare(
  fields: object,
  { from = service, writer = 'msgpack' }: { from?: Service; writer?: Writer } = {},
) {
  const { headers, body } = WRITERS[writer](fields as Record<string, unknown>);
  const answer = await from.post(body, {
    type: headers['content-type']!,
    headers: { accept: writer === 'msgpack numpy' ? JSON_TYPE : MSGPACK },
    path: '/v1/kl-divergence',
  });
  return { ...answer, body: answer.body as unknown as Comparison & { detail: string } };
}

describe.each([0, 1, 5])('with shift %i', (shift) => {
  const options = { outputs: ['sequences', 'kl_divergence', 'nll', 'reference_nll'], shift };

  test('each segment has the means of its counted rows', async () => {
    const { body, status } = await compare({ ...FIELDS, options });
    expect(status, body.detail).toBe(200);
    const [kl, nll, referenceNll] = ['kl_divergence', 'nll', 'reference_nll'].map((name) =>
      Array.from(numbersOf(body.outputs[name]!)),
    ) as [number[], number[], number[]];
    const lengths = LENGTHS.map((length) => Math.max(0, length - shift));
    expect(kl).toHaveLength(lengths.reduce((sum, length) => sum + length, 0));
    let [begin, from] = [0, 0];
    for (const [k, kept] of lengths.entries()) {
      const rows = Array.from({ length: kept }, (_, at) => ({ m: MASK[begin + at + shift]!, at: from + at })).filter(
        ({ m }) => m > 0,
      );
      begin += LENGTHS[k]!;
      from += kept;
      const sum = (of: number[]): number => rows.reduce((total, { m, at }) => total + m * of[at]!, 0);
      const denominator = rows.reduce((total, { m }) => total + m, 0);
      const none = { mean_nll: null, perplexity: null };
      const side = (of: number[]) => ({
        mean_nll: expect.closeTo(sum(of) / denominator, 12),
        perplexity: expect.closeTo(Math.exp(sum(of) / denominator), 6),
      });
      expect(body.sequences![k]).toEqual(
        rows.length === 0
          ? { tokens: 0, numerator: null, denominator: null, mean: null, logits: none, reference: none }
          : {
              ...{ tokens: rows.length, denominator, numerator: expect.closeTo(sum(kl), 12) },
              ...{ mean: expect.closeTo(sum(kl) / denominator, 12), logits: side(nll), reference: side(referenceNll) },
            },
      );
    }
  });

  test('every format has the same bits', async () => {
    const plain = await compare({ ...FIELDS, options }, { from: atOnce });
    for (const writer of Object.keys(WRITERS) as Writer[]) {
      const { body } = await compare({ ...FIELDS, options }, { writer });
      expect(body.sequences, writer).toEqual(plain.body.sequences);
    }
  });
});

test('without labels there are only divergences', async () => {
  const { label: _, ...fields } = FIELDS;
  const { body } = await compare({ ...fields, segments: null, options: { outputs: ['sequences'] } });
  expect(body.sequences).toEqual([
    { tokens: 46, numerator: body.numerator, denominator: body.denominator, mean: body.kl_divergence.mean },
  ]);
});

test('a row alone that a shift leaves out has outputs without rows', async () => {
  const fields = { logits: [1, 2, 3], reference: [1, 2, 4], label: 1, options: { shift: 1, outputs: ['nll'] } };
  const { body, status } = await compare(fields, { writer: 'json' });
  expect(status, body.detail).toBe(200);
  expect(body.outputs['nll']!.shape).toEqual([0]);
});

test('segments that do not fill the rows are refused', async () => {
  const { body, status } = await compare({ ...FIELDS, segments: integers([60]) });
  expect([status, body.detail]).toEqual([422, 'segments sum to 60, expected 61, the rows of logits']);
});

test('the bits of a sequence do not depend on the rows beside it', async () => {
  const options = { outputs: ['sequences'] };
  const { body } = await compare({ ...FIELDS, options });
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: 4 }), fc.nat({ max: 4 }), async (one, other) => {
      const [first, last] = [Math.min(one, other), Math.max(one, other)];
      const from = LENGTHS.slice(0, first).reduce((sum, length) => sum + length, 0);
      const lengths = LENGTHS.slice(first, last + 1);
      const rows = lengths.reduce((sum, length) => sum + length, 0);
      const cut = ({ dtype, shape, data }: Tensor): Tensor => {
        const width = data.byteLength / ROWS;
        return { dtype, shape: shape.with(0, rows), data: data.slice(from * width, (from + rows) * width) };
      };
      const { segments: _, ...tensors } = FIELDS;
      const parts = Object.fromEntries(Object.entries(tensors).map(([name, value]) => [name, cut(value)]));
      const part = await compare({ ...parts, segments: integers(lengths), options });
      expect(part.body.sequences).toEqual(body.sequences!.slice(first, last + 1));
    }),
    { numRuns: 25 },
  );
});
