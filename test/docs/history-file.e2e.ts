/** The sizes, the backup and the compaction of docs/operations.md. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, expect, test } from 'vitest';
import { ServiceProcess } from '../e2e/process.ts';
import { JSON_TYPE } from '../service.ts';
import { ROOT, read, readBlocks, readTable } from './pages.ts';

const page = { path: 'docs/operations.md', text: read('docs/operations.md') };
const [[, ofOne] = [], [, ofMany] = [], [, ofNonFinite] = []] = readTable(page, 'what | bytes');
const blocks = readBlocks(page).filter(({ language }) => language === 'sh');
/** Arguments of the backup that needs no other program: `npx lossmeter store copy FROM TO`. */
const copyArguments = /^npx lossmeter (.+) (\S+) (\S+)\n$/.exec(blocks[0]!.text)!.slice(1);
/** SQL for the command line of SQLite: `sqlite3 lossmeter.db "…"`. */
const [backup = '', compaction = ''] = blocks
  .slice(1)
  .map(({ text }) => /^sqlite3 lossmeter\.db "?(.+?)"?\n$/.exec(text)![1]!);

const folder = mkdtempSync(join(tmpdir(), 'lossmeter-history-'));
const file = join(folder, 'lossmeter.db');
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs SQL on the history through a separate connection, as another program would. */
function foreign(sql: string): void {
  const database = new DatabaseSync(file);
  database.exec(sql.replace("'backup.db'", `'${join(folder, 'backup.db')}'`));
  database.close();
}

const sizeAfterCheckpoint = (): number => {
  foreign('PRAGMA wal_checkpoint(TRUNCATE)');
  return statSync(file).size;
};

/** Numbers with as many digits as real losses have. */
function* numbers(): Generator<number> {
  for (let x = 0.5; ; x = (x * 997.13 + 0.1) % 1) yield x;
}

const random = numbers();
const next = (): number => random.next().value as number;

const finite = (): object => ({
  logits: Array.from({ length: 8 }, () => [next(), next(), next()]),
  label: Array(8).fill(0),
});
const nonFinite = (rows: number): object => ({
  logits: Array.from({ length: rows }, () => Array(rows).fill('NaN') as string[]),
  label: Array(rows).fill(0),
  options: {
    max_locations: rows * rows,
    check_for_nan_in_loss_and_grad: true,
    parallel_config: { data_parallel: rows },
  },
});

/** Records batches, many at the same time. */
async function record(url: string, run: string, [steps, ranks, batches]: number[], batch = finite): Promise<void> {
  const paths = Array.from({ length: steps! * ranks! * batches! }, (_, k) => {
    const [step, rest] = [Math.floor(k / (ranks! * batches!)), k % (ranks! * batches!)];
    return `steps/${step}/ranks/${Math.floor(rest / batches!)}?micro_batch=${rest % batches!}`;
  });
  const one = async (path: string): Promise<void> => {
    const init = { method: 'PUT', headers: { 'content-type': JSON_TYPE }, body: JSON.stringify(batch()) };
    const response = await fetch(`${url}/v1/runs/${run}/${path}`, init);
    expect(response.status).toBe(201);
    await response.arrayBuffer();
  };
  for (let k = 0; k < paths.length; k += 64) await Promise.all(paths.slice(k, k + 64).map(one));
}

test('the file grows by what the page says, and is backed up and compacted by the commands of the page', async () => {
  const service = await ServiceProcess.start({ LOSSMETER_STORE: file, LOSSMETER_MAX_QUEUED_REQUESTS: '1024' });
  const growth = async (steps: number, run: string, shape: number[], batch?: () => object): Promise<number> => {
    const before = sizeAfterCheckpoint();
    await record(service.url, run, [steps, ...shape], batch);
    return (sizeAfterCheckpoint() - before) / steps;
  };
  const expectAbout = (bytes: number, said: string): void => {
    expect(bytes / Number(said.replaceAll(',', ''))).toBeGreaterThan(0.88);
    expect(bytes / Number(said.replaceAll(',', ''))).toBeLessThan(1.12);
  };
  expectAbout(await growth(1500, 'one', [1, 1]), ofOne!);
  const [, step, batch] = /^([\d,]+): (\d+) a batch$/.exec(ofMany!)!;
  const bytesOfMany = await growth(100, 'many', [8, 4]);
  expectAbout(bytesOfMany, step!);
  expectAbout(bytesOfMany / 32, batch!);
  const [, , most] = /^([\d,]+) to ([\d,]+), typically [\d,]+$/.exec(ofNonFinite!)!;
  expectAbout(await growth(100, 'bad', [1, 1], () => nonFinite(64)), most!);

  const sentence =
    /A step with one batch takes about (\d+) bytes of the store, and each further batch of the step (\d+) bytes/;
  expect(sentence.exec(read('docs/runs.md'))?.slice(1), 'docs/runs.md says the same').toEqual([ofOne, batch]);

  // A backup of a running service has every acknowledged recording.
  const [command, from, to] = copyArguments as [string, string, string];
  const bin = join(ROOT, 'src/cli/bin.js');
  const copied = spawnSync(process.execPath, [bin, ...command.split(' '), from, to], { cwd: folder, encoding: 'utf8' });
  expect([copied.status, copied.stderr]).toEqual([0, '']);
  renameSync(join(folder, to), join(folder, 'copy.db'));
  foreign(backup);
  for (const name of ['copy.db', 'backup.db']) {
    const copy = new DatabaseSync(join(folder, name), { readOnly: true });
    expect(copy.prepare('SELECT count(*) AS n FROM batches').get(), name).toEqual({ n: 1500 + 100 * 32 + 100 });
    copy.close();
  }

  await fetch(`${service.url}/v1/runs/one`, { method: 'DELETE' });
  expect(await service.end()).toBe(0);
  const before = statSync(file).size;
  foreign(compaction);
  expect(before - statSync(file).size).toBeGreaterThan(200_000);
});
