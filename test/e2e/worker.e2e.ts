/** The command `lossmeter worker` without a usable database. The tests with a database are in test/postgres. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { WorkerProcess } from '../jobs/worker-process.ts';
import { environment } from '../cli/shards/command.ts';
import { ROOT } from './process.ts';

const folder = mkdtempSync(join(tmpdir(), 'lossmeter-worker-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Address on which no server listens. */
const AWAY = 'postgres://nobody@127.0.0.1:1/none';

async function run(args: string[], more: Record<string, string> = {}): Promise<{ code: number | null; text: string }> {
  const command = [join(ROOT, 'src/cli/bin.js'), 'worker', ...args];
  const child = spawn(process.execPath, command, { env: { ...environment(), ...more }, stdio: 'pipe' });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => (text += part.toString()));
  await once(child, 'close');
  return { code: child.exitCode, text };
}

test('prints its usage', async () => {
  const { code, text } = await run(['--help']);
  expect([code, text.split('\n', 1)[0]]).toEqual([0, 'usage: lossmeter worker [options]']);
});

test.each([
  ['SQLite', [], {}, 'LOSSMETER_STORE is not a URL of PostgreSQL'],
  ['no data directory', [], { LOSSMETER_STORE: AWAY }, 'neither LOSSMETER_DATA_DIR nor LOSSMETER_S3_BUCKETS is set'],
  ['a missing data directory', [], { LOSSMETER_STORE: AWAY, LOSSMETER_DATA_DIR: '/nowhere' }, 'which is not a folder'],
  [
    'an invalid number of tasks',
    ['--tasks', '0'],
    { LOSSMETER_STORE: AWAY },
    'LOSSMETER_WORKER_TASKS must be at least 1',
  ],
  ['an unknown argument', ['--threads', '1'], {}, 'unknown option --threads'],
])('refuses %s', async (_, args, more, message) => {
  const { code, text } = await run([...args], more);
  expect([code, text]).toEqual([2, expect.stringContaining(message)]);
});

test('waits for a database that is away, and ends when it is told to', async () => {
  const worker = new WorkerProcess({ LOSSMETER_STORE: AWAY, LOSSMETER_DATA_DIR: folder });
  await worker.until(() => (worker.output.match(/waiting for the database/g)?.length ?? 0) > 1);
  expect(await worker.end('SIGTERM')).toBe(0);
});
