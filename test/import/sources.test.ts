import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { csv } from '../../src/import/csv.ts';
import { findSources } from '../../src/import/sources.ts';
import type { SourceChoices } from '../../src/import/sources.ts';
import { tensorboard } from '../../src/import/tensorboard/tensorboard.ts';
import { FIXTURES } from './parse.ts';

let folder = '';

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'lossmeter-sources-'));
  for (const [name, text] of [
    ['metrics.csv', 'step,loss\n'],
    ['notes.txt', 'nothing\n'],
    ['part-2.jsonl', '{"step":1}\n'],
    ['part-10.jsonl', '{"step":1}\n'],
  ] as const) {
    writeFileSync(path.join(folder, name), text);
  }
  mkdirSync(path.join(folder, 'empty'));
});

afterAll(() => rmSync(folder, { recursive: true }));

async function find(paths: readonly string[], choices: Partial<SourceChoices> = {}): Promise<string[]> {
  const nothing = { format: undefined, run: undefined, rank: undefined, rankPattern: undefined, mayBeEmpty: false };
  const sources = await findSources(paths, { ...nothing, ...choices });
  return sources.map(({ path: file, run, format, rank }) => `${path.basename(file)} ${format.name} ${run} ${rank}`);
}

test('each folder with event files is a run, named by its path', async () => {
  expect(await find([path.join(FIXTURES, 'event-files')])).toEqual([
    'events.out.tfevents.1700000001.host.1.0 tensorboard purged 0',
    'events.out.tfevents.1700000001.host.1.0 tensorboard resumed 0',
    'events.out.tfevents.1700000002.host.1.0 tensorboard resumed 0',
    'events.out.tfevents.1700000001.host.1.0 tensorboard simple 0',
    'events.out.tfevents.1700000001.host.1.0.v2 tensorboard tensors 0',
  ]);
});

test('--run stands before the path, and is the name of the folder itself', async () => {
  const file = 'events.out.tfevents.1700000001.host.1.0';
  const [first] = await find([path.join(FIXTURES, 'event-files')], { run: 'gpt' });
  expect(first).toBe(`${file} tensorboard gpt/purged 0`);
  expect(await find([path.join(FIXTURES, 'event-files/simple')], { run: 'gpt' })).toEqual([
    `${file} tensorboard gpt 0`,
  ]);
});

test('folders of ranks are the ranks of one run, for MindFormers by themselves', async () => {
  expect(await find([path.join(FIXTURES, 'mindformers')])).toEqual([
    'info.log mindformers mindformers 0',
    'info.log mindformers mindformers 1',
  ]);
});

test('--rank-pattern finds ranks, and --rank gives one', async () => {
  const rankPattern = /tfevents\.\d*(\d)\./;
  expect(await find([path.join(FIXTURES, 'event-files/resumed')], { rankPattern, run: 'r' })).toEqual([
    'events.out.tfevents.1700000001.host.1.0 tensorboard r 1',
    'events.out.tfevents.1700000002.host.1.0 tensorboard r 2',
  ]);
  expect(await find([path.join(folder, 'metrics.csv')], { rank: 7 })).toEqual(['metrics.csv csv metrics 7']);
  await expect(find([path.join(folder, 'metrics.csv')], { rankPattern })).rejects.toThrow(
    '--rank-pattern finds no rank',
  );
});

test('a folder of other files is one run, in the order of their numbers', async () => {
  const name = path.basename(folder);
  expect(await find([folder])).toEqual([
    `metrics.csv csv ${name} 0`,
    `part-2.jsonl ndjson ${name} 0`,
    `part-10.jsonl ndjson ${name} 0`,
  ]);
  expect(await find([folder], { format: csv })).toEqual([`metrics.csv csv ${name} 0`]);
});

test('a file that is named twice is read once', async () => {
  const file = path.join(folder, 'metrics.csv');
  expect(await find([file, file])).toHaveLength(1);
});

test('--format is obeyed for a file', async () => {
  expect(await find([path.join(folder, 'notes.txt')], { format: csv })).toEqual(['notes.txt csv notes 0']);
});

test('several files without a common name need --run', async () => {
  const files = ['metrics.csv', 'part-2.jsonl'].map((name) => path.join(folder, name));
  await expect(find(files)).rejects.toThrow('--run NAME');
  expect(await find(files, { run: 'r' })).toHaveLength(2);
});

test.each([
  ['no such file', 'none.csv', undefined, 'does not exist'],
  ['an unknown format', 'notes.txt', undefined, 'is not recognised: set it with --format'],
  ['an empty folder', 'empty', undefined, 'has no file that can be imported'],
  ['a folder without such files', '.', tensorboard, 'has no event files of TensorBoard'],
])('%s is refused', async (_name, name, format, message) => {
  await expect(find([path.join(folder, name)], { format })).rejects.toThrow(message);
});

test('an empty folder may be followed', async () => {
  expect(await find([path.join(folder, 'empty')], { mayBeEmpty: true })).toEqual([]);
  await expect(find([path.join(folder, 'none')], { mayBeEmpty: true })).rejects.toThrow('does not exist');
});

test('a link to a file in a folder is not followed', async () => {
  symlinkSync('/dev/null', path.join(folder, 'link.csv'));
  expect(await find([folder], { format: csv })).toHaveLength(1);
});
