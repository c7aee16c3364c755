/** Jobs, which have the results that a command prints for the same files. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { encodeElements } from '../../src/wire/tensors/elements.ts';
import { randomNumbers, writeFiles } from '../cli/shards/small-files.ts';
import { JobClient, printed } from '../jobs/job-client.ts';
import { logitFile, quantise } from '../logit-file.ts';
import { safetensorsFile } from '../safetensors-file.ts';
import { Service } from '../service.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'lossmeter-jobs-'));
writeFiles(join(dataDir, 'eval'), 9, { seed: 3 });
cpSync(join(dataDir, 'eval'), join(dataDir, 'other'), { recursive: true });
writeFiles(join(dataDir, 'bad'), 6, { seed: 5, bad: Number.NaN });
afterAll(() => rmSync(dataDir, { recursive: true }));

const service = Service.start({ dataDir });
const jobs = new JobClient(() => service.url);

const METRICS = ['ece', 'standard_error', 'sequence_perplexity', 'bits_per_byte'];

/** Names of tensors that swap the logits and the reference. */
const SWAPPED = { logits: 'reference', reference: 'logits' };

describe('a job', () => {
  test('has the bits that one process prints', async () => {
    const options = { metrics: METRICS, label_smoothing: 0.1 };
    const { id, ...job } = await jobs.create({ kind: 'cross_entropy', files: ['eval', 'bad/*.safetensors'], options });
    expect(job).toMatchObject({ kind: 'cross_entropy', files: { total: 15, failed: 0 }, options, tensors: {} });
    const ended = await jobs.until(id);
    expect(ended).toMatchObject({ state: 'succeeded', files: { total: 15, done: 15, failed: 0 } });
    expect(ended.bytes.done).toBe(ended.bytes.total);
    const { kind, ...result } = await jobs.result(id);
    expect(kind).toBe('cross_entropy');
    const args = ['--options', JSON.stringify(options), 'eval', 'bad/*.safetensors'];
    const expected = printed(dataDir, 'evaluate', ...args);
    expect(expected.total['verdict']).toBe('non_finite');
    expect(JSON.stringify(result)).toBe(JSON.stringify(expected));
  });

  test('compares with references of its own, and of other files', async () => {
    const own = await jobs.create({ kind: 'kl_divergence', files: ['eval/*.safetensors'] });
    const others = await jobs.create({
      kind: 'kl_divergence',
      files: ['eval'],
      reference: ['other/00?.safetensors'],
      tensors: SWAPPED,
    });
    for (const [{ id }, args] of [
      [own, []],
      [others, ['--reference', 'other', '--tensor', 'logits=reference', '--tensor', 'reference=logits']],
    ] as const) {
      expect(await jobs.until(id)).toMatchObject({ state: 'succeeded' });
      const { kind, ...result } = await jobs.result(id);
      expect(kind).toBe('kl_divergence');
      expect(JSON.stringify(result)).toBe(JSON.stringify(printed(dataDir, 'compare', ...args, 'eval')));
    }
  });

  test('compares with the rows of a llama.cpp logit file, wherever the files divide them', async () => {
    const { random, classes } = { random: randomNumbers(77), classes: 7 };
    const numbers = (count: number): number[] => Array.from({ length: count }, random);
    // Three rows of a chunk of eight tokens.
    const parts = { context: 8, classes, tokens: numbers(24).map((value) => Math.floor(7 * value)) };
    const reference = Array.from({ length: 9 }, () => quantise(numbers(classes).map((value) => -4 * value)));
    mkdirSync(join(dataDir, 'kld'));
    writeFileSync(join(dataDir, 'base.kld'), logitFile({ ...parts, rows: reference }));
    for (const [name, rows] of [
      ['a', 4],
      ['b', 1],
      ['c', 4],
    ] as const) {
      const data = encodeElements('logits', 'float32', numbers(rows * classes));
      const file = safetensorsFile([['logits', { dtype: 'float32', shape: [rows, classes], data }]]);
      writeFileSync(join(dataDir, `kld/${name}.safetensors`), file);
    }
    const order = { kind: 'kl_divergence', files: ['kld'], reference: ['base.kld'] };
    const { id } = await jobs.create(order);
    expect(await jobs.until(id)).toMatchObject({ state: 'succeeded' });
    const { kind: _, ...result } = await jobs.result(id);
    expect(JSON.stringify(result)).toBe(JSON.stringify(printed(dataDir, 'compare', '--reference', 'base.kld', 'kld')));
    const { body } = await jobs.call('POST', '', { ...order, files: ['kld/a.safetensors'] });
    expect(body).toMatchObject({ status: 422, code: 'shape_mismatch' });
  });

  test('reads tensors of other names', async () => {
    const { id } = await jobs.create({ kind: 'cross_entropy', files: ['eval'], tensors: { logits: 'reference' } });
    await jobs.until(id);
    const { total } = await jobs.result(id);
    expect(total).toEqual(printed(dataDir, 'evaluate', '--tensor', 'logits=reference', 'eval').total);
  });

  test('fails with its files, and succeeds after they are mended and it is retried', async () => {
    writeFiles(join(dataDir, 'broken'), 4, { seed: 8 });
    const path = join(dataDir, 'broken/002.safetensors');
    const whole = readFileSync(path);
    const expected = printed(dataDir, 'evaluate', 'broken');
    truncateSync(path, whole.length - 1);
    const { id } = await jobs.create({ kind: 'cross_entropy', files: ['broken'] });
    const failed = await jobs.until(id);
    expect(failed).toMatchObject({ state: 'failed', files: { total: 4, done: 3, failed: 1 } });
    expect(failed.failures).toEqual([
      {
        file: 'broken/002.safetensors',
        code: 'invalid_file',
        detail: expect.stringContaining('it is cut off') as string,
      },
    ]);
    expect(await jobs.call('GET', `/${id}/result`)).toMatchObject({ status: 409, body: { code: 'job_state' } });
    writeFileSync(path, whole);
    expect(await jobs.call('POST', `/${id}/retry`)).toMatchObject({ status: 202, body: { state: 'queued' } });
    expect(await jobs.until(id)).toMatchObject({ state: 'succeeded', files: { done: 4, failed: 0 } });
    const { kind: _, ...result } = await jobs.result(id);
    expect(JSON.stringify(result)).toBe(JSON.stringify(expected));
    expect(await jobs.call('POST', `/${id}/retry`)).toMatchObject({ status: 409, body: { code: 'job_state' } });
    expect(await jobs.call('POST', `/${id}/cancel`)).toMatchObject({ status: 409, body: { code: 'job_state' } });
  });
});
