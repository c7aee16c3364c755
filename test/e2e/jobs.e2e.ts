/** Jobs of a service that ends before they do. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { writeFiles } from '../cli/shards/small-files.ts';
import { JobClient, printed } from '../jobs/job-client.ts';
import { ServiceProcess } from './process.ts';

test.each(['SIGKILL', 'SIGTERM'] as const)(
  'a job goes on where %s ended the service',
  async (signal) => {
    const folder = mkdtempSync(join(tmpdir(), 'lossmeter-job-restart-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const dataDir = join(folder, 'data');
    writeFiles(dataDir, 300, { seed: 41 });
    const environment = {
      LOSSMETER_STORE: join(folder, 'history.db'),
      LOSSMETER_DATA_DIR: dataDir,
      LOSSMETER_WORKERS: '1',
    };
    let service = await ServiceProcess.start(environment);
    onTestFinished(async () => void (await service.end()));
    const jobs = new JobClient(() => service.url);
    const { id } = await jobs.create({ kind: 'cross_entropy', files: ['*'] });
    await jobs.until(id, ({ files }) => files.done > 3);
    await service.end(signal);
    service = await ServiceProcess.start(environment);
    const { state, files } = await jobs.get(id);
    expect([state, files.done > 3]).toEqual(['running', true]);
    expect(files.done).toBeLessThan(300);
    expect(await jobs.until(id)).toMatchObject({ state: 'succeeded', files: { done: 300 } });
    const { kind: _, ...result } = await jobs.result(id);
    expect(JSON.stringify(result)).toBe(JSON.stringify(printed(dataDir, 'evaluate', '*')));
  },
  60_000,
);
