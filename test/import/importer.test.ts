import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { csv } from '../../src/import/csv.ts';
import type { Format } from '../../src/import/format.ts';
import { importSources } from '../../src/import/importer.ts';
import type { Sink } from '../../src/import/importer.ts';
import type { Entry } from '../../src/import/item.ts';
import type { Source } from '../../src/import/sources.ts';
import { megatron } from '../../src/import/megatron.ts';
import { tensorboard } from '../../src/import/tensorboard/tensorboard.ts';
import { FIXTURES } from './parse.ts';

const options = { loss: undefined, attempt: 0, excluded: /^$/, columns: {} };

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'lossmeter-importer-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

class Collector implements Sink {
  readonly entries: Entry[] = [];
  /** Number of entries at each flush. */
  readonly flushed: number[] = [];

  get steps(): number[] {
    return this.entries.flatMap((entry) => ('item' in entry ? [entry.item.step] : []));
  }

  add(_source: Source, entries: readonly Entry[]): Promise<void> {
    this.entries.push(...entries);
    return Promise.resolve();
  }

  flush(): Promise<void> {
    this.flushed.push(this.entries.length);
    return Promise.resolve();
  }
}

const source = (name: string, format: Format, rank = 0): Source => ({
  path: path.join(folder, name),
  run: 'r',
  format,
  rank,
});

test('the last line of a file is read before the next file of the stream', async () => {
  const line = (step: number, loss: number) =>
    `iteration ${step}/ 10 | elapsed time per iteration (ms): 1.0 | global batch size: 1 | lm loss: ${loss} | loss scale: 1.0 |`;
  writeFileSync(path.join(folder, 'a.log'), `${line(1, 3)}\n${line(2, 2)}`);
  writeFileSync(path.join(folder, 'b.log'), `${line(2, 1)}\n`);
  const sink = new Collector();
  await importSources([source('a.log', megatron), source('b.log', megatron)], sink, { options });
  const items = sink.entries.flatMap((entry) => ('item' in entry ? [entry.item] : []));
  expect(items.map(({ step, attempt }) => [step, attempt])).toEqual([
    [1, 0],
    [2, 0],
    [2, 1],
  ]);
  expect(sink.flushed).toEqual([3]);
});

test('ranks are read in turns', async () => {
  const rows = Array.from({ length: 40_000 }, (_, k) => `${k},${k / 7}\n`).join('');
  writeFileSync(path.join(folder, '0.csv'), `step,loss\n${rows}`);
  writeFileSync(path.join(folder, '1.csv'), `step,loss\n${rows}`);
  const sink = new Collector();
  const read: number[] = [];
  await importSources([source('0.csv', csv, 0), source('1.csv', csv, 1)], sink, {
    options,
    onRead: (bytes) => read.push(bytes),
  });
  expect(sink.entries).toHaveLength(80_000);
  const ranks = sink.entries.map((entry) => ('item' in entry ? entry.item.rank : undefined));
  expect(ranks.indexOf(1)).toBeLessThan(ranks.lastIndexOf(0));
  expect(read.reduce((sum, bytes) => sum + bytes, 0)).toBe(2 * (rows.length + 'step,loss\n'.length));
});

test('a resumed rank waits for the first attempt of the others', async () => {
  const rows = (attempt: number, from: number, to: number) =>
    Array.from({ length: to - from }, (_, k) => `${from + k},1,${attempt}\n`).join('');
  const head = 'step,loss,attempt\n';
  writeFileSync(path.join(folder, '0.csv'), head + rows(0, 0, 10) + rows(1, 5, 60_000));
  writeFileSync(path.join(folder, '1.csv'), head + rows(0, 0, 50_000) + rows(1, 40_000, 50_010));
  const sink = new Collector();
  await importSources([source('0.csv', csv, 0), source('1.csv', csv, 1)], sink, { options });
  const items = sink.entries.flatMap((entry) => ('item' in entry ? [entry.item] : []));
  const attempts = items.map(({ attempt }) => attempt!);
  expect(attempts).toEqual(attempts.toSorted((a, b) => a - b));
  expect(items.filter(({ rank }) => rank === 0)).toHaveLength(10 + 59_995);
  expect(items.filter(({ rank }) => rank === 1)).toHaveLength(50_000 + 10_010);
});

test('a followed event file is read as its records are completed, and a new file is found', async () => {
  const [first, second] = await Promise.all(
    ['1700000001', '1700000002'].map((time) =>
      readFile(path.join(FIXTURES, `event-files/resumed/events.out.tfevents.${time}.host.1.0`)),
    ),
  );
  writeFileSync(path.join(folder, 'first'), first!.subarray(0, 130));
  const sources = [source('first', tensorboard)];
  const stop = new AbortController();
  const sink = new Collector();
  const done = importSources(sources, sink, {
    options,
    follow: { find: () => Promise.resolve(sources), signal: stop.signal },
  });
  await vi.waitFor(() => expect(sink.steps).toEqual([1, 2]));
  appendFileSync(path.join(folder, 'first'), first!.subarray(130, 200));
  await vi.waitFor(() => expect(sink.steps).toEqual([1, 2, 3]), { timeout: 5000 });
  appendFileSync(path.join(folder, 'first'), first!.subarray(200));
  writeFileSync(path.join(folder, 'second'), second!);
  sources.push(source('second', tensorboard));
  await vi.waitFor(() => expect(sink.steps).toEqual([1, 2, 3, 4, 5, 4, 5, 6, 7]), { timeout: 5000 });
  stop.abort();
  await done;
  expect(sink.flushed.at(-1)).toBe(9);
  expect(sink.entries.every((entry) => 'item' in entry)).toBe(true);
});

test('a file that becomes shorter ends the import', async () => {
  writeFileSync(path.join(folder, 'a.csv'), 'step,loss\n1,2\n');
  const stop = new AbortController();
  const sink = new Collector();
  const sources = [source('a.csv', csv)];
  const done = importSources(sources, sink, {
    options,
    follow: { find: () => Promise.resolve(sources), signal: stop.signal },
  });
  await vi.waitFor(() => expect(sink.steps).toEqual([1]));
  writeFileSync(path.join(folder, 'a.csv'), 'step\n');
  await expect(done).rejects.toThrow('became shorter while it was read');
});
