/** Shards of many files combine to the bits of one process. */
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { logitFile } from '../../logit-file.ts';
import { lossmeter, runWithin } from './command.ts';
import { randomNumbers, shuffled, writeFiles } from './small-files.ts';

const folder = mkdtempSync(join(tmpdir(), 'lossmeter-shards-'));
afterAll(() => rmSync(folder, { recursive: true }));

const METRICS = [
  ...['accuracy', 'top5_accuracy', 'mean_entropy', 'ece', 'standard_error'],
  ...['bits_per_byte', 'byte_perplexity', 'word_perplexity', 'sequence_perplexity'],
];
const EVALUATION = ['--options', JSON.stringify({ metrics: METRICS, label_smoothing: 0.1, lse_square_scale: 1e-4 })];

const finite = join(folder, 'finite');
const bad = join(folder, 'bad');
writeFiles(finite, 100);
writeFiles(bad, 40, { seed: 7, bad: -Infinity });

/** Writes the partials of all shards in a random order. @returns their folder */
async function writeShards(command: 'evaluate' | 'compare', of: number, args: string[]): Promise<string> {
  const partials = mkdtempSync(join(folder, 'partials-'));
  const indices = shuffled(
    Array.from({ length: of }, (_, k) => k + 1),
    randomNumbers(of),
  );
  for (const index of indices) {
    const partial = join(partials, `${index}.json`);
    const outcome = await runWithin(command, [
      ...args,
      '--workers',
      '1',
      '--shard',
      `${index}/${of}`,
      '--partial',
      partial,
    ]);
    expect(outcome).toEqual([0, expect.stringContaining(`shard ${index} of ${of}, `)]);
  }
  expect(readdirSync(partials), 'no temporary file is left').toHaveLength(of);
  return partials;
}

describe.each([
  ['evaluate', 64, finite, EVALUATION, 0],
  ['evaluate', 5, bad, EVALUATION, 1],
  ['compare', 64, finite, [], 0],
  ['compare', 5, bad, [], 1],
] as const)('lossmeter %s in %d shards of %s', (command, shards, files, options, code) => {
  const args = [...options, files];

  test('has the bits of one process, in the document and in the table', async () => {
    const partials = await writeShards(command, shards, args);
    const whole = lossmeter(command, '--json', ...args);
    expect([whole.status, whole.stderr]).toEqual([code, '']);
    const paths = shuffled(readdirSync(partials), randomNumbers(3)).map((name) => join(partials, name));
    expect(lossmeter('combine', '--json', ...paths)).toEqual(whole);
    expect(lossmeter('combine', partials)).toEqual(lossmeter(command, ...args));
    const { total, files: each } = JSON.parse(whole.stdout) as { total: Record<string, unknown>; files: unknown[] };
    expect(each).toHaveLength(files === finite ? 100 : 40);
    const rows = total['rows'] as { total: number; ignored: number };
    expect(rows.ignored, 'some rows are ignored').toBeGreaterThan(0);
  });
});

describe('a comparison with references elsewhere', () => {
  const parts = join(folder, 'parts');
  const references = join(folder, 'references');
  writeFiles(parts, 9, { seed: 5 });
  writeFiles(references, 9, { seed: 5 });

  test('takes the reference of the same place in the list', async () => {
    const args = [parts, '--reference', references, '--tensor', 'reference=logits'];
    const partials = await writeShards('compare', 4, args);
    const whole = lossmeter('compare', '--json', ...args);
    expect(lossmeter('combine', '--json', partials)).toEqual(whole);
    const { total } = JSON.parse(whole.stdout) as { total: { kl_divergence: { max: number } } };
    expect(total.kl_divergence.max, 'each is compared with itself').toBe(0);
  });

  test('takes the rows of a llama.cpp logit file that are its own', async () => {
    const whole = lossmeter('compare', '--json', parts);
    const rows = (JSON.parse(whole.stdout) as { total: { rows: { total: number } } }).total.rows.total;
    const random = randomNumbers(11);
    // A chunk of n tokens has log-probabilities for the n/2 − 1 tokens from its middle up to the last but one.
    const context = 2 * (rows + 1);
    const base = join(folder, 'base.kld');
    writeFileSync(
      base,
      logitFile({
        ...{ context, classes: 7 },
        tokens: Array.from({ length: context }, () => Math.floor(7 * random())),
        rows: Array.from({ length: rows }, () => ({
          ...{ scale: 2 ** -14, minimum: -4 },
          q: Array.from({ length: 7 }, () => Math.floor(65_536 * random())),
        })),
      }),
    );
    const args = [parts, '--reference', base];
    const single = lossmeter('compare', '--json', ...args);
    expect([single.status, single.stderr]).toEqual([0, '']);
    // The tenth shard has no files.
    const partials = await writeShards('compare', 10, args);
    expect(lossmeter('combine', '--json', partials)).toEqual(single);
    expect(lossmeter('combine', partials)).toEqual(lossmeter('compare', ...args));
  });

  test('fails by a bound as one process does', async () => {
    const partials = await writeShards('compare', 3, [finite]);
    const bounds = ['--fail-if', 'p95>0.5', '--fail-if', 'mean<100'];
    const combined = lossmeter('combine', partials, ...bounds);
    expect(combined).toEqual(lossmeter('compare', finite, ...bounds));
    expect(combined.status).toBe(1);
    expect(combined.stderr).toContain('p95>0.5: p95 is ');
  });
});

test('a shard without files is a partial without files', async () => {
  mkdirSync(join(folder, 'one'));
  writeFiles(join(folder, 'one'), 1);
  const partials = await writeShards('evaluate', 3, [join(folder, 'one')]);
  expect(JSON.parse(readFileSync(join(partials, '3.json'), 'utf8'))).toMatchObject({
    ...{ kind: 'evaluation_shard', shard: { index: 3, of: 3 }, files: [] },
  });
  expect(lossmeter('combine', partials)).toEqual(lossmeter('evaluate', join(folder, 'one')));
});
