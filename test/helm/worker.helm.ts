/** Runs a worker with the environment and the volumes that the chart renders. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort } from '../../bench/free-port.ts';
import { writeFiles } from '../cli/shards/small-files.ts';
import { JobClient, printed } from '../jobs/job-client.ts';
import { PostgresServer } from '../postgres/server.ts';
import { Pod } from './pod.ts';

let server: PostgresServer;
let pod: Pod;
const jobs = new JobClient(() => pod.service.url);

beforeAll(async () => {
  server = await PostgresServer.start({ isDurable: false });
  pod = await Pod.start({
    port: await freePort(),
    access: { anonymous: true },
    store: { kind: 'postgres', postgres: { url: await server.database() } },
    data: { existingClaim: 'checkpoints' },
    worker: { enabled: true },
  });
  writeFiles(pod.pathOf('/data/eval'), 6, { seed: 33 });
});

afterAll(async () => {
  await pod?.remove();
  await server?.[Symbol.asyncDispose]();
});

test('it evaluates the files of a job, which waits for it, and ends within its grace period', async () => {
  const { id } = await jobs.create({ kind: 'cross_entropy', files: ['eval/*.safetensors'] });
  expect((await jobs.get(id)).state).toBe('queued');

  const worker = pod.startWorker();
  expect(await jobs.until(id)).toMatchObject({ state: 'succeeded', files: { total: 6, done: 6 } });
  const expected = { kind: 'cross_entropy', ...printed(pod.pathOf('/data'), 'evaluate', 'eval/*.safetensors') };
  expect(JSON.stringify(await jobs.result(id))).toBe(JSON.stringify(expected));

  expect(worker.output).toContain('ready for 2 tasks at a time');
  const begin = performance.now();
  expect(await worker.end('SIGTERM')).toBe(0);
  expect((performance.now() - begin) / 1000).toBeLessThan(pod.workerGraceSeconds);
});
