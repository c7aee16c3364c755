import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Comparison } from '../../src/contract/kl-divergence.ts';
import { numbersOf } from '../../src/tensor/tensor.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { compareIn, logitFile, quantise, readTable } from '../logit-file.ts';
import type { Printed, QuantisedRow } from '../logit-file.ts';
import { lse } from '../reference.ts';
import { encode, seededRandom } from '../rows.ts';
import { readSafetensors } from '../safetensors-file.ts';
import { JSON_TYPE, MSGPACK, Service } from '../service.ts';

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/llama-kld/${name}`, import.meta.url));

const dataDir = mkdtempSync(join(tmpdir(), 'lossmeter-logit-file-'));
beforeAll(() => {
  for (const name of ['base.kld', 'near.safetensors']) copyFileSync(fixture(name), join(dataDir, name));
});
afterAll(() => rmSync(dataDir, { recursive: true }));

/** Slabs of a few rows on two workers, and one worker with a slab for all. */
const service = Service.start({ dataDir, workers: 2, slabBytes: 8192, inlineLogits: 0 });
const oneWorker = Service.start({ dataDir });

const compare = (
  fields: object,
  { from = service, type = MSGPACK }: { from?: Service; type?: string } = {},
): ReturnType<typeof compareIn> => compareIn(from, fields, type);

const write = (name: string, bytes: Uint8Array): { kld_file: string } => {
  writeFileSync(join(dataDir, name), bytes);
  return { kld_file: name };
};

describe('the file and the table of the real tool', () => {
  const { tensors } = readSafetensors(readFileSync(fixture('near.safetensors')));
  const table = readTable(readFileSync(fixture('near.table.txt'), 'utf8'));
  const printed = (name: string): Printed => {
    const found = table.get(name);
    if (found === undefined) throw new Error(`the table has no line ${name}; it has ${[...table.keys()].join(', ')}`);
    return found;
  };
  const reference = { kld_file: 'base.kld' };
  const near = { file: 'near.safetensors', tensor: 'logits' };
  let body: Comparison;

  beforeAll(async () => {
    const answer = await compare({ reference, logits: near });
    expect(answer.status, answer.body.detail).toBe(200);
    body = answer.body;
  });

  /** Differences from a value of the table. */
  const expectNear = (value: number | null, expected: number, tolerance: number): void => {
    expect(value).not.toBeNull();
    expect(Math.abs(value! - expected)).toBeLessThanOrEqual(tolerance);
  };
  /** Half a unit of the last digit that is printed, and the tolerance of an error, 1%. */
  const expectError = (value: number | null, expected: number, unit: number, share = 0.01): void =>
    expectNear(value, expected, share * expected + unit / 2);

  test('perplexities, and their errors', () => {
    const { logits, reference: base } = body.perplexity!;
    for (const [side, name] of [
      [logits, 'Mean PPL(Q)'],
      [base, 'Mean PPL(base)'],
    ] as const) {
      const { value, error } = printed(name);
      expectNear(side.value, value, 1e-5 * value);
      expectError(side.standard_error, error, 1e-6);
    }
  });

  test('ratio, logarithm, difference and correlation', () => {
    const { log_ratio: log, ratio, difference, correlation } = body.perplexity!;
    const [printedLog, printedRatio, printedDifference] = [
      'Mean ln(PPL(Q)/PPL(base))',
      'Mean PPL(Q)/PPL(base)',
      'Mean PPL(Q)-PPL(base)',
    ].map(printed) as [Printed, Printed, Printed];
    expectNear(log.value, printedLog.value, 2e-6);
    expectError(log.standard_error, printedLog.error, 1e-6);
    expectNear(ratio.value, printedRatio.value, 2e-6);
    expectError(ratio.standard_error, printedRatio.error, 1e-6);
    expectNear(difference.value, printedDifference.value, 1e-3);
    expectError(difference.standard_error, printedDifference.error, 1e-6);
    expectNear(100 * correlation!, printed('Cor(ln(PPL(Q)), ln(PPL(base)))').value, 0.005);
  });

  test('mean, extremes and percentiles of the divergence', () => {
    const { mean, standard_error: error, min, max, percentiles } = body.kl_divergence;
    expectNear(mean, printed('Mean KLD').value, 1e-4 * printed('Mean KLD').value + 5e-7);
    expectError(error, printed('Mean KLD').error, 1e-6);
    const expectQuantile = (value: number | null, name: string): void =>
      expectNear(value, printed(name).value, Math.max(2e-3 * printed(name).value, 3e-6));
    expectQuantile(max, 'Maximum KLD');
    expectQuantile(min, 'Minimum KLD');
    const names = Object.keys(percentiles);
    expect(names).toHaveLength(9);
    for (const name of names) expectQuantile(percentiles[name]!, lineOf(name, 'KLD'));
  });

  test('differences of the probability of the label', () => {
    const found = body.probability_difference!;
    const expectPoints = (value: number | null, name: string): void =>
      expectNear(100 * value!, printed(name).value, 0.001);
    expectPoints(found.mean, 'Mean Δp');
    expectError(100 * found.standard_error!, printed('Mean Δp').error, 1e-3);
    expectPoints(found.rms, 'RMS Δp');
    expectError(100 * found.rms_standard_error!, printed('RMS Δp').error, 1e-3);
    expectPoints(found.max, 'Maximum Δp');
    expectPoints(found.min, 'Minimum Δp');
    const names = Object.keys(found.percentiles);
    expect(names).toHaveLength(11);
    for (const name of names) expectPoints(found.percentiles[name]!, lineOf(name, 'Δp'));
  });

  test('agreement of the most probable token', () => {
    const { value, error } = printed('Same top p');
    const rows = body.rows.counted;
    expect(rows).toBe(504);
    const { fraction, standard_error: own } = body.top1_agreement;
    expectNear(rows * fraction!, (rows * value) / 100, 1 + 0.01);
    expectError(100 * own!, error, 1e-3, 0.02);
  });

  test('the answer says that the reference is quantised', () => {
    expect(body.diagnostics).toMatchObject({ verdict: 'finite', truncated: true, causes: [] });
  });

  test('logits of the request and of a file, of one worker and of two, in JSON and MessagePack, have the same bits', async () => {
    const options = { outputs: ['kl_divergence', 'nll', 'reference_nll', 'gradient'] };
    const first = await compare({ reference, logits: near, options });
    const logits = tensors['logits']!;
    const same = [
      await compare({ reference, options, logits }),
      await compare({ options, logits, reference }),
      await compare({ reference, options, logits: near }, { type: JSON_TYPE }),
      await compare({ reference, options, logits: near }, { from: oneWorker }),
      await compare({ reference, options, logits }, { from: oneWorker }),
    ];
    for (const answer of same) expect(answer.body).toEqual(first.body);
  });

  test('labels of the request are used in their place, and those of the file are the same', async () => {
    const { diagnostics } = body;
    expect(diagnostics.labels!.max).toBeGreaterThan(0);
    const same = await compare({ reference, logits: near, label: tensors['label'] });
    expect(same.body).toEqual(body);
    const zeros = { dtype: 'int32', shape: [504], data: new Uint8Array(4 * 504) };
    const other = await compare({ reference, logits: near, label: zeros });
    expect(other.body.diagnostics.labels).toMatchObject({ min: 0, max: 0 });
    expect(other.body.perplexity!.logits.value).not.toBeCloseTo(body.perplexity!.logits.value!, 0);
  });
});

/** Line of a percentile: 99.9 is printed as `99.9%`, 50 as `Median`, and 5 as `5.0%`. */
function lineOf(percentile: string, what: string): string {
  const number = Number(percentile);
  return number === 50 ? `Median ${what}` : `${number.toFixed(1)}% ${what}`;
}

/** Files of a few rows, compared with float64. */
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
