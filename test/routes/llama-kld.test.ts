/** Comparison over HTTP of the file and the table of llama-perplexity in test/fixtures/llama-kld. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Comparison } from '../../src/contract/kl-divergence.ts';
import { DIFFERENCE_PERCENTILES, PERCENTILES } from '../../src/comparison/summary.ts';
import { compareIn, readChunks, readTable } from '../logit-file.ts';
import type { Printed } from '../logit-file.ts';
import { readSafetensors } from '../safetensors-file.ts';
import { JSON_TYPE, MSGPACK, Service } from '../service.ts';

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/llama-kld/${name}`, import.meta.url));

const dataDir = mkdtempSync(join(tmpdir(), 'lossmeter-llama-kld-'));
beforeAll(() => {
  for (const name of ['base.kld', 'near.safetensors']) copyFileSync(fixture(name), join(dataDir, name));
});
afterAll(() => rmSync(dataDir, { recursive: true }));

/** Service with slabs of a few rows on two workers, and a service with one worker and a slab for all rows. */
const service = Service.start({ dataDir, workers: 2, slabBytes: 8192, inlineLogits: 0 });
const oneWorker = Service.start({ dataDir });

const compare = (
  fields: object,
  { from = service, type = MSGPACK }: { from?: Service; type?: string } = {},
): ReturnType<typeof compareIn> => compareIn(from, fields, type);

/** A number of the answer, and its greatest allowed difference from the printed number. */
type Checked = (body: Comparison) => [number | null, (printed: number) => number];

const within = (most: number) => (): number => most;
const share =
  (fraction: number, least = 0) =>
  (printed: number): number =>
    Math.max(fraction * printed, least);
/** Tolerance of a standard error: 1%, plus half a unit of its last printed digit. */
const errorOf =
  (unit: number, fraction = 0.01) =>
  (printed: number): number =>
    fraction * printed + unit / 2;

/** A value of the answer with its standard error. */
const withError = (
  of: (body: Comparison) => { value: number | null; standard_error: number | null },
  tolerance: (printed: number) => number,
): { value: Checked; error: Checked } => ({
  value: (body) => [of(body).value, tolerance],
  error: (body) => [of(body).standard_error, errorOf(1e-6)],
});

const percent = (value: number | null): number | null => (value === null ? null : 100 * value);

const KLD_QUANTILE = share(2e-3, 3e-6);
const POINTS = within(0.001);

/** Lines of the final tables, with the corresponding values of the answer. */
const LINES: [string, { value: Checked; error?: Checked }][] = [
  ['Mean PPL(Q)', withError((body) => body.perplexity!.logits, share(1e-5))],
  ['Mean PPL(base)', withError((body) => body.perplexity!.reference, share(1e-5))],
  // Printed as a percentage with two decimals.
  ['Cor(ln(PPL(Q)), ln(PPL(base)))', { value: (body) => [percent(body.perplexity!.correlation), within(0.005)] }],
  ['Mean ln(PPL(Q)/PPL(base))', withError((body) => body.perplexity!.log_ratio, within(2e-6))],
  ['Mean PPL(Q)/PPL(base)', withError((body) => body.perplexity!.ratio, within(2e-6))],
  ['Mean PPL(Q)-PPL(base)', withError((body) => body.perplexity!.difference, within(1e-3))],
  [
    'Mean KLD',
    withError(
      ({ kl_divergence: { mean, standard_error: error } }) => ({ value: mean, standard_error: error }),
      // Printed with six decimals.
      (printed) => 1e-4 * printed + 5e-7,
    ),
  ],
  ['Maximum KLD', { value: (body) => [body.kl_divergence.max, KLD_QUANTILE] }],
  ['Minimum KLD', { value: (body) => [body.kl_divergence.min, KLD_QUANTILE] }],
  ...PERCENTILES.map((name): [string, { value: Checked }] => [
    lineOf(name, 'KLD'),
    { value: (body) => [body.kl_divergence.percentiles[name]!, KLD_QUANTILE] },
  ]),
  [
    'Mean Δp',
    {
      value: (body) => [percent(body.probability_difference!.mean), POINTS],
      error: (body) => [percent(body.probability_difference!.standard_error), errorOf(1e-3)],
    },
  ],
  [
    'RMS Δp',
    {
      value: (body) => [percent(body.probability_difference!.rms), POINTS],
      error: (body) => [percent(body.probability_difference!.rms_standard_error), errorOf(1e-3)],
    },
  ],
  ['Maximum Δp', { value: (body) => [percent(body.probability_difference!.max), POINTS] }],
  ['Minimum Δp', { value: (body) => [percent(body.probability_difference!.min), POINTS] }],
  ...DIFFERENCE_PERCENTILES.map((name): [string, { value: Checked }] => [
    lineOf(name, 'Δp'),
    { value: (body) => [percent(body.probability_difference!.percentiles[name]!), POINTS] },
  ]),
  [
    'Same top p',
    {
      // One row of 504 may differ. Printed with three decimals.
      value: (body) => [percent(body.top1_agreement.fraction), within(100 / 504 + 5e-4)],
      error: (body) => [percent(body.top1_agreement.standard_error), errorOf(1e-3, 0.02)],
    },
  ],
];

/** Line of a percentile: 99.9 is printed as `99.9%`, 50 as `Median`, and 5 as `5.0%`. */
function lineOf(percentile: string, what: string): string {
  const number = Number(percentile);
  return number === 50 ? `Median ${what}` : `${number.toFixed(1)}% ${what}`;
}

describe('the file and the table of the real tool', () => {
  const { tensors } = readSafetensors(readFileSync(fixture('near.safetensors')));
  const text = readFileSync(fixture('near.table.txt'), 'utf8');
  const table = readTable(text);
  const reference = { kld_file: 'base.kld' };
  const near = { file: 'near.safetensors', tensor: 'logits' };
  let body: Comparison;

  beforeAll(async () => {
    const answer = await compare({ reference, logits: near });
    expect(answer.status, answer.body.detail).toBe(200);
    body = answer.body;
  });

  test.each(LINES)('%s', (name, { value, error }) => {
    const line = table.get(name);
    expect(line, `the table has the lines ${[...table.keys()].join(', ')}`).toBeDefined();
    for (const [part, one] of Object.entries({ value, error })) {
      if (one === undefined) continue;
      const [own, tolerance] = one(body);
      const expected = line![part as keyof Printed];
      expect(Math.abs(own! - expected), `${part} ${own}, printed ${expected}`).toBeLessThanOrEqual(tolerance(expected));
    }
  });

  test('no line of the table is left out', () => {
    expect(new Set(LINES.map(([name]) => name))).toEqual(new Set(table.keys()));
    expect(
      [...table].filter(([name, { error }]) => !Number.isNaN(error) && !LINES.find(([one]) => one === name)![1].error),
    ).toEqual([]);
  });

  test('lines of chunks, which are of all rows up to there', async () => {
    const chunks = readChunks(text);
    expect(chunks).toHaveLength(8);
    for (const [index, [perplexity, logRatio, divergence, rms, agreement]] of chunks.entries()) {
      const rows = 63 * (index + 1);
      const mask = Uint8Array.from({ length: 504 }, (_, row) => Number(row < rows));
      const inputMask = { dtype: 'bool', shape: [504], data: mask };
      const { body: upTo } = await compare({ reference, logits: near, input_mask: inputMask });
      const found: [number | null, number | null, Printed, (value: number) => number, number][] = [
        [upTo.perplexity!.logits.value, upTo.perplexity!.logits.standard_error, perplexity!, share(1e-5, 5e-5), 1e-4],
        [upTo.perplexity!.log_ratio.value, upTo.perplexity!.log_ratio.standard_error, logRatio!, within(7e-6), 1e-5],
        [upTo.kl_divergence.mean, upTo.kl_divergence.standard_error, divergence!, within(5.1e-6), 1e-5],
        [
          100 * upTo.probability_difference!.rms!,
          100 * upTo.probability_difference!.rms_standard_error!,
          rms!,
          within(1e-3),
          1e-3,
        ],
        [
          100 * upTo.top1_agreement.fraction!,
          100 * upTo.top1_agreement.standard_error!,
          agreement!,
          within(100 / rows + 5e-4),
          1e-3,
        ],
      ];
      for (const [value, error, line, tolerance, unit] of found) {
        expect(Math.abs(value! - line.value), `${value}, printed ${line.value}`).toBeLessThanOrEqual(
          tolerance(line.value),
        );
        const most = 0.02 * line.error + unit / 2;
        expect(Math.abs(error! - line.error), `${error}, printed ${line.error}`).toBeLessThanOrEqual(most);
      }
    }
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
