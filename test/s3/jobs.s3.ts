import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeFiles } from '../cli/shards/small-files.ts';
import { JobClient } from '../jobs/job-client.ts';
import { Service } from '../service.ts';
import { TestStorage } from './storage.ts';

const FILES = 7;

const dataDir = mkdtempSync(join(tmpdir(), 'lossmeter-s3-jobs-'));
writeFiles(join(dataDir, 'eval'), FILES, { seed: 51 });
afterAll(() => rmSync(dataDir, { recursive: true }));

const storage = TestStorage.start('jobs');
const service = Service.start({ dataDir, s3Buckets: 'jobs', s3PathStyle: true });
const jobs = new JobClient(() => service.url);

beforeAll(async () => {
  for (const name of readdirSync(join(dataDir, 'eval'))) {
    await storage.put(`eval/${name}`, readFileSync(join(dataDir, 'eval', name)));
  }
});

/** Result of a job as text, with names of objects replaced by names of local files. */
async function resultOf(order: object): Promise<string> {
  const { id } = await jobs.create(order);
  expect(await jobs.until(id)).toMatchObject({ state: 'succeeded', files: { total: FILES, done: FILES } });
  return JSON.stringify(await jobs.result(id)).replaceAll('s3://jobs/', '');
}

test.each([
  ['cross_entropy', { metrics: ['ece', 'standard_error'], label_smoothing: 0.1 }],
  ['kl_divergence', { direction: 'reverse' }],
] as const)('a job over objects has the bits of one over the same local files: %s', async (kind, options) => {
  const local = await resultOf({ kind, options, files: ['eval/*.safetensors'] });
  storage.proxy.fail();
  const remote = await resultOf({ kind, options, files: ['s3://jobs/eval/*.safetensors'] });
  expect(remote).toBe(local);
  expect(storage.proxy.asked.length).toBeGreaterThanOrEqual(FILES);
});
