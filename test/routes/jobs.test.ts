import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { writeFiles } from '../cli/shards/small-files.ts';
import { JobClient } from '../jobs/job-client.ts';
import type { Problem } from '../jobs/job-client.ts';
import { Service } from '../service.ts';

const parent = mkdtempSync(join(tmpdir(), 'lossmeter-jobs-'));
const dataDir = join(parent, 'data');
mkdirSync(dataDir);
writeFiles(join(dataDir, 'eval'), 9, { seed: 3 });
cpSync(join(dataDir, 'eval'), join(dataDir, 'other'), { recursive: true });
afterAll(() => rmSync(parent, { recursive: true }));

const service = Service.start({ dataDir, maxJobFiles: 30, maxJobTasks: 40 });
const few = Service.start({ dataDir, maxJobs: 2 });
const off = Service.start();
const jobs = new JobClient(() => service.url);

describe('a job', () => {
  test('whose files have different options fails, with the reason', async () => {
    const file = readFileSync(join(dataDir, 'eval/000.safetensors'));
    const header = JSON.parse(file.toString('utf8', 8, 8 + Number(file.readBigUInt64LE()))) as object;
    const text = JSON.stringify({ ...header, __metadata__: { options: '{"label_smoothing": 0.5}' } });
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    mkdirSync(join(dataDir, 'mixed'));
    const rest = file.subarray(8 + Number(file.readBigUInt64LE()));
    writeFileSync(join(dataDir, 'mixed/a.safetensors'), Buffer.concat([length, Buffer.from(text), rest]));
    writeFileSync(join(dataDir, 'mixed/b.safetensors'), file);
    const { id } = await jobs.create({ kind: 'cross_entropy', files: ['mixed'] });
    expect(await jobs.until(id)).toMatchObject({
      state: 'failed',
      files: { done: 2, failed: 0 },
      error: { code: 'invalid_option', detail: expect.stringContaining('label_smoothing is 0.5') as string },
    });
  });

  test('that is deleted is gone', async () => {
    const { id } = await jobs.create({ kind: 'cross_entropy', files: ['eval'] });
    expect((await jobs.call('DELETE', `/${id}`)).status).toBe(204);
    for (const [method, path] of [
      ['GET', ''],
      ['GET', '/result'],
      ['GET', '/events'],
      ['POST', '/cancel'],
      ['POST', '/retry'],
      ['DELETE', ''],
    ] as const) {
      expect(await jobs.call(method, `/${id}${path}`)).toMatchObject({ status: 404, body: { code: 'not_found' } });
    }
  });
});

test('jobs are listed from the newest on, in pages and by state', async () => {
  const ids: number[] = [];
  for (let k = 0; k < 3; k++) ids.unshift((await jobs.create({ kind: 'cross_entropy', files: ['eval'] })).id);
  for (const id of ids) await jobs.until(id);
  const seen: number[] = [];
  let cursor = '';
  do {
    const { body } = await jobs.call('GET', `?state=succeeded&limit=2${cursor}`);
    const page = body as { jobs: { id: number; state: string }[]; next?: string };
    expect(page.jobs.every(({ state }) => state === 'succeeded')).toBe(true);
    seen.push(...page.jobs.map(({ id }) => id));
    cursor = page.next === undefined ? '' : `&cursor=${page.next}`;
  } while (cursor !== '');
  expect(seen.slice(0, 3)).toEqual(ids);
  expect(seen).toEqual(seen.toSorted((a, b) => b - a));
  expect((await jobs.call('GET', '?state=done')).status).toBe(400);
});

test('events tell of the progress until the end, and there are none afterwards', async () => {
  const { id } = await jobs.create({ kind: 'cross_entropy', files: ['eval', 'other'] });
  const text = await (await fetch(`${service.url}/v1/jobs/${id}/events`)).text();
  const events = [...text.matchAll(/event: job\nid: (\d+)\ndata: (.*)\n\n/g)];
  const states = events.map(([, , data]) => (JSON.parse(data!) as { state: string }).state);
  expect(states.at(-1)).toBe('succeeded');
  const [, last] = events.at(-1)!;
  const again = await fetch(`${service.url}/v1/jobs/${id}/events`, { headers: { 'last-event-id': last! } });
  expect(again.status).toBe(204);
});

describe('a request is refused', () => {
  test.each([
    ['without a kind', { files: ['eval'] }, 'invalid_job', '/kind'],
    ['without files', { kind: 'cross_entropy', files: [] }, 'invalid_job', '/files'],
    ['with an unknown field', { kind: 'cross_entropy', files: ['eval'], refrence: ['x'] }, 'invalid_job', '/refrence'],
    [
      'with a reference of an evaluation',
      { kind: 'cross_entropy', files: ['eval'], reference: ['x'] },
      'invalid_job',
      '/reference',
    ],
    [
      'with an unknown option',
      { kind: 'cross_entropy', files: ['eval'], options: { epsilon: 1 } },
      'invalid_option',
      '/options/epsilon',
    ],
    [
      'with outputs',
      { kind: 'cross_entropy', files: ['eval'], options: { outputs: ['gradient'] } },
      'invalid_option',
      '/options/outputs',
    ],
    [
      'with a file that is not there',
      { kind: 'cross_entropy', files: ['eval/9.safetensors'] },
      'file_unreadable',
      undefined,
    ],
    [
      'with a pattern that nothing matches',
      { kind: 'cross_entropy', files: ['eval/x*'] },
      'file_unreadable',
      undefined,
    ],
    [
      'with a name outside of the data directory',
      { kind: 'cross_entropy', files: ['eval', '../x'] },
      'file_forbidden',
      '/files/1',
    ],
    [
      'with too many files',
      { kind: 'cross_entropy', files: ['**/*.safetensors', 'eval'] },
      'invalid_option',
      undefined,
    ],
    [
      'with too few references',
      { kind: 'kl_divergence', files: ['eval'], reference: ['other/001.safetensors'] },
      'invalid_job',
      '/reference',
    ],
  ])('%s', async (_, order, code, pointer) => {
    if (code === 'invalid_option' && pointer === undefined) writeFiles(join(dataDir, 'many'), 31);
    const { status, body } = await jobs.call('POST', '', order);
    const { errors, ...problem } = body as Problem;
    expect(problem).toMatchObject({ status, code });
    expect(errors?.[0]?.pointer).toBe(pointer);
  });

  test('without a data directory', async () => {
    const client = new JobClient(() => off.url);
    for (const [method, path] of [
      ['POST', ''],
      ['GET', ''],
      ['GET', '/1'],
    ] as const) {
      const body = method === 'POST' ? { kind: 'cross_entropy', files: ['eval'] } : undefined;
      expect(await client.call(method, path, body)).toMatchObject({ status: 403, body: { code: 'local_data_off' } });
    }
  });

  test('for a link out of the data directory', async () => {
    writeFiles(join(parent, 'outside'), 2);
    symlinkSync(join(parent, 'outside'), join(dataDir, 'link'));
    for (const name of ['link', 'link/000.safetensors']) {
      const answer = await jobs.call('POST', '', { kind: 'cross_entropy', files: [name] });
      expect(answer).toMatchObject({ status: 403, body: { code: 'file_forbidden' } });
    }
    const answer = await jobs.call('POST', '', { kind: 'cross_entropy', files: ['link/*.safetensors'] });
    expect(answer).toMatchObject({ status: 422, body: { code: 'file_unreadable' } });
  });
});

test('a further job takes the place of the oldest that has ended', async () => {
  const client = new JobClient(() => few.url);
  const ids: number[] = [];
  for (let k = 0; k < 3; k++) {
    const { id } = await client.create({ kind: 'cross_entropy', files: ['eval'] });
    await client.until(id);
    ids.push(id);
  }
  const { body } = await client.call('GET');
  expect((body as { jobs: { id: number }[] }).jobs.map(({ id }) => id)).toEqual([ids[2], ids[1]]);
});

test('metrics count jobs and their files', async () => {
  const text = await (await service.get('/metrics')).text();
  expect(text).toMatch(/^lossmeter_jobs_created_total [1-9]/m);
  expect(text).toMatch(/^lossmeter_job_tasks_total\{outcome="done"\} [1-9]/m);
  expect(text).toMatch(/^lossmeter_jobs\{state="succeeded"\} [1-9]/m);
  expect(text).toMatch(/^lossmeter_job_tasks 0$/m);
});
