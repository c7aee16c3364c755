import { expect, test } from 'vitest';
import { extend } from './addition.ts';

const service = extend('A statistic');

/** Rows whose entries every dtype can represent. `logits` adds a row with NaN, and a row that is masked. */
const rows = Array.from({ length: 9 }, (_, row) =>
  Array.from({ length: 37 }, (_, c) => ((row * 37 + c * 29) % 53) / 8 - 3),
);
const logits = [...rows, rows[0]!.with(5, Number.NaN), rows[1]!];
const label = logits.map((_, row) => (row * 7) % 37);
const input_mask = logits.map((_, row) => (row < 9 ? 1 + row : 0));

const marginOf = (row: readonly number[], y: number): number => row[y]! - Math.max(...row.filter((_, c) => c !== y));

test.each(['float16', 'bfloat16', 'float32', 'float64', 'float8_e5m2'])('the margins of %s', async (dtype) => {
  const scale = dtype.startsWith('float8') ? Math.round : (x: number): number => x;
  const given = logits.map((row) => row.map(scale));
  const options = { outputs: ['margin'], metrics: ['mean_margin'] };
  const data = given.map((row) => row.map((x) => (Number.isNaN(x) ? null : x)));
  const { status, body } = await service.post<{
    outputs: { margin: { dtype: string; data: number[] } };
    metrics: { mean_margin: number };
  }>({ logits: { dtype, data }, label, input_mask, options });
  expect(status).toBe(200);
  const expected = given.map((row, k) => (k < 9 ? marginOf(row, label[k]!) : 0));
  expect(body.outputs.margin).toMatchObject({ dtype: 'float64', data: expected });
  const weight = input_mask.reduce((sum, m) => sum + m, 0);
  expect(body.metrics.mean_margin).toBeCloseTo(
    expected.reduce((sum, x, k) => sum + x * input_mask[k]!, 0) / weight,
    12,
  );
});

test('the scale of the logits applies, and the cap', async () => {
  const options = { logit_scale: 0.5, softcap: 2, outputs: ['margin'] };
  const { body } = await service.post<{ outputs: { margin: { data: number[] } } }>({
    logits: rows,
    label: rows.map(() => 0),
    options,
  });
  const expected = rows.map((row) =>
    marginOf(
      row.map((x) => 2 * Math.tanh((0.5 * x) / 2)),
      0,
    ),
  );
  for (const [row, margin] of body.outputs.margin.data.entries()) expect(margin).toBeCloseTo(expected[row]!, 5);
  const scaled = { logits: rows, label: rows.map(() => 0), options: { ...options, softcap: null } };
  const plain = await service.post(scaled);
  expect(plain.body).toMatchObject({ outputs: { margin: { data: rows.map((row) => 0.5 * marginOf(row, 0)) } } });
});

test('a row that contains NaN has no margin', async () => {
  const { body } = await service.post({ logits: [[1, null, 3]], label: [2], options: { outputs: ['margin'] } });
  expect(body).toMatchObject({ outputs: { margin: { data: ['NaN'] } } });
});

test('shards of the vocabulary reject it', async () => {
  const shard = {
    logits: [[1, 2, 3]],
    label: [2],
    vocab_start: 0,
    vocab_size: 6,
    options: { metrics: ['mean_margin'] },
  };
  const { status, body } = await service.post(shard, { path: '/v1/cross-entropy/partials' });
  expect([status, body]).toEqual([422, expect.objectContaining({ code: 'invalid_option' })]);
});

test('the manual has its output and its metric', async () => {
  expect(await service.document('components', 'schemas', 'OutputName', 'enum')).toContain('margin');
  expect(await service.document('components', 'schemas', 'Metrics', 'properties')).toHaveProperty('mean_margin');
});
