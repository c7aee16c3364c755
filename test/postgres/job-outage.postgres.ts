/** A job during a restart of its database. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { ServiceProcess } from '../e2e/process.ts';
import { writeFiles } from '../cli/shards/small-files.ts';
import { JobClient, printed } from '../jobs/job-client.ts';
import { WorkerProcess } from '../jobs/worker-process.ts';
import { PostgresServer } from './server.ts';

test('a job goes on after its database was away, with the same worker, and has the bits of one process', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'lossmeter-job-outage-'));
  onTestFinished(() => rmSync(dataDir, { recursive: true }));
  writeFiles(dataDir, 400, { seed: 51 });
  await using postgres = await PostgresServer.start();
  const environment = {
    LOSSMETER_STORE: await postgres.database(),
    LOSSMETER_DATA_DIR: dataDir,
    LOSSMETER_WORKERS: '1',
  };
  const service = await ServiceProcess.start(environment);
  onTestFinished(async () => void (await service.end()));
  const jobs = new JobClient(() => service.url);
  const { id } = await jobs.create({ kind: 'cross_entropy', files: ['*.safetensors'] });
  const worker = new WorkerProcess(environment);
  await worker.until(() => worker.done > 3);
  await postgres.stop();
  await sleep(1000);
  expect(await jobs.call('GET', `/${id}`)).toMatchObject({ status: 503, body: { code: 'store_unavailable' } });
  await postgres.run();
  expect((await jobs.get(id)).files.done).toBeLessThan(400);
  expect(await jobs.until(id, undefined, 90_000)).toMatchObject({
    state: 'succeeded',
    files: { done: 400, failed: 0 },
  });
  const { kind: _, ...result } = await jobs.result(id);
  expect(JSON.stringify(result)).toBe(JSON.stringify(printed(dataDir, 'evaluate', '*.safetensors')));
  expect(worker.child.exitCode).toBeNull();
  expect(await worker.end('SIGTERM')).toBe(0);
}, 150_000);
