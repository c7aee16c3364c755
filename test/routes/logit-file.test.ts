/** llama.cpp logit files that the tests write, compared with float64 over HTTP. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FLOAT_DTYPES } from '../../src/tensor/dtype.ts';
import { numbersOf } from '../../src/tensor/tensor.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { compareIn, logitFile, quantise } from '../logit-file.ts';
import type { QuantisedRow } from '../logit-file.ts';
import { lse } from '../reference.ts';
import { encode, seededRandom } from '../rows.ts';
import { Service } from '../service.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'lossmeter-logit-file-'));
afterAll(() => rmSync(dataDir, { recursive: true }));

/** Service with slabs of a few rows on two workers. */
const service = Service.start({ dataDir, workers: 2, slabBytes: 8192, inlineLogits: 0 });

const compare = (fields: object): ReturnType<typeof compareIn> => compareIn(service, fields);

const write = (name: string, bytes: Uint8Array): { kld_file: string } => {
  writeFileSync(join(dataDir, name), bytes);
  return { kld_file: name };
};

/** Small files, compared with float64. */
describe.each([
  ['an even vocabulary and context', { context: 8, classes: 10, chunks: 1 }],
  ['an odd vocabulary, whose rows are padded', { context: 8, classes: 11, chunks: 1 }],
  ['an odd context', { context: 7, classes: 10, chunks: 1 }],
  ['two chunks', { context: 9, classes: 11, chunks: 2 }],
  ['one row a chunk, more of them than a slab', { context: 3, classes: 301, chunks: 50 }],
])('%s', (_name, { context, classes, chunks }) => {
  const random = seededRandom(5);
  const rowsPerChunk = context - 1 - Math.floor(context / 2);
  const rows = chunks * rowsPerChunk;
  const table = (spread: number): number[][] =>
    Array.from({ length: rows }, () => Array.from({ length: classes }, () => (random() - 0.5) * spread));
  const logProbs = table(30).map((x) => {
    const sum = lse(x);
    return x.map((value) => value - sum);
  });
  const quantised = logProbs.map(quantise);
  const tokens = Array.from({ length: chunks * context }, () => Math.floor(random() * classes));
  const labels = Array.from({ length: rows }, (_, row) => {
    const [c, k] = [Math.floor(row / rowsPerChunk), row % rowsPerChunk];
    return tokens[c * context + Math.floor(context / 2) + k + 1]!;
  });
  const values = logProbs.map((row) => row.map((value) => Math.fround(value + (random() - 0.5))));
  const logits: Tensor = { dtype: 'float32', shape: [rows, classes], data: encode('float32', values.flat()) };
  const name = `${context}-${classes}-${chunks}.kld`;
  let reference: object;
  beforeAll(() => {
    reference = write(name, logitFile({ context, classes, tokens, rows: quantised }));
  });

  const logProbsOf = ({ scale, minimum, q }: QuantisedRow): number[] =>
    q.map((step) => Math.fround(Math.fround(scale * step) + minimum));

  test.each([16, 7])('agrees with float64 at a floor of %s nats', async (floor) => {
    const outputs = ['kl_divergence', 'nll', 'reference_nll', 'gradient'];
    const options = { reduction: 'sum', outputs, ...(floor !== 16 && { reference_floor: floor }) };
    const { body, status } = await compare({ reference, options, logits });
    expect(status, body.detail).toBe(200);
    const column = (one: string): Float64Array => numbersOf(body.outputs[one]!);
    quantised.forEach((row, r) => {
      const [ps, x] = [logProbsOf(row), values[r]!];
      const qs = x.map((value) => value - lse(x));
      const kept = ps.map((lp) => (lp > -floor ? Math.exp(lp) : 0));
      const divergence = kept.reduce((sum, p, c) => sum + (p === 0 ? 0 : p * (ps[c]! - qs[c]!)), 0);
      const mass = kept.reduce((sum, p) => sum + p, 0);
      expect(column('kl_divergence')[r]).toBeCloseTo(divergence, 6);
      expect(column('nll')[r]).toBeCloseTo(-qs[labels[r]!]!, 6);
      expect(column('reference_nll')[r]).toBe(-ps[labels[r]!]!);
      const gradient = column('gradient').subarray(r * classes, (r + 1) * classes);
      gradient.forEach((g, c) => expect(g).toBeCloseTo(mass * Math.exp(qs[c]!) - kept[c]!, 6));
    });
    expect(body.diagnostics.truncated).toBe(true);
  });

  test('logits of chunks have outputs of their shape, and the bits of rows', async () => {
    const options = { outputs: ['kl_divergence', 'gradient'] };
    const flat = await compare({ reference, options, logits });
    const shape = [chunks, rowsPerChunk, classes];
    const { body, status } = await compare({ reference, options, logits: { ...logits, shape } });
    expect(status, body.detail).toBe(200);
    expect(body.outputs['kl_divergence']).toMatchObject({ shape: [chunks, rowsPerChunk] });
    expect(body.outputs['gradient']).toMatchObject({ shape });
    expect(body.kl_divergence).toEqual(flat.body.kl_divergence);
    expect(body.perplexity).toEqual(flat.body.perplexity);
  });
});

test.each(FLOAT_DTYPES)('%s logits are compared with a logit file', async (dtype) => {
  const [rows, classes] = [4, 9];
  const random = seededRandom(9);
  const x = Array.from({ length: rows * classes }, () => (random() - 0.5) * 8);
  const logits: Tensor = { dtype, shape: [rows, classes], data: encode(dtype, x) };
  const rounded = Array.from(numbersOf(logits));
  const q = Array.from({ length: classes }, (_, c) => 60_000 - 500 * c);
  const row = { scale: 2 ** -12, minimum: -16.5, q };
  const tokens = Array.from({ length: 4 * 3 }, (_, at) => at % classes);
  const reference = write(
    'dtypes.kld',
    logitFile({ context: 3, classes, tokens, rows: Array.from({ length: rows }, () => row) }),
  );
  const { body, status } = await compare({ reference, logits, options: { outputs: ['kl_divergence', 'gradient'] } });
  expect(status, body.detail).toBe(200);
  numbersOf(body.outputs['kl_divergence']!).forEach((value, r) => {
    const own = rounded.slice(r * classes, (r + 1) * classes);
    const sum = lse(own);
    const expected = q.reduce((total, step, c) => {
      const lp = row.scale * step + row.minimum;
      return total + Math.exp(lp) * (lp - (own[c]! - sum));
    }, 0);
    // The probabilities of such a row do not sum to 1.
    expect(Math.abs(value - expected)).toBeLessThan(1e-6 * Math.max(1, Math.abs(expected)));
  });
  expect(body.outputs['gradient']!.shape).toEqual([rows, classes]);
});

test('a row whose numbers are not finite is named, and the others are compared', async () => {
  const row = quantise([-1, -2, -0.7]);
  const rows = [row, { ...row, scale: Number.NaN }, row];
  const file = logitFile({ context: 3, classes: 3, tokens: [0, 1, 2, 0, 1, 2, 0, 1, 2], rows });
  const logits = Array.from({ length: 3 }, () => [1, 2, 3]);
  const { body } = await compare({
    reference: write('nan.kld', file),
    logits,
    options: { outputs: ['kl_divergence'] },
  });
  expect(body.diagnostics).toMatchObject({
    verdict: 'non_finite',
    causes: [{ side: 'reference', cause: 'nan_logit', rows: 1, first: { row: 1 } }],
    nan_rows: 1,
  });
  const [first, second, third] = numbersOf(body.outputs['kl_divergence']!);
  expect([Number.isFinite(first), second, third]).toEqual([true, Number.NaN, first]);
});
