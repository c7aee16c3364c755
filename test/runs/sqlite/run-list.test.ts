import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { SqliteStore } from '../../../src/runs/sqlite/store.ts';
import { NEWEST, recording } from '../recordings.ts';

const folder = mkdtempSync(join(tmpdir(), 'lossmeter-run-list-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Opened {
  store: SqliteStore;
  /** Sets the time of the store, in milliseconds. */
  setTime: (time: number) => void;
  /** Changes the file by SQL. */
  change: (sql: string) => void;
}

function open(): Opened {
  const path = join(folder, `${Math.random()}.db`);
  let now = 1_000_000;
  const store = new SqliteStore(path, () => now);
  const other = new DatabaseSync(path);
  onTestFinished(async () => {
    other.close();
    await store.close();
  });
  return { store, setTime: (time) => (now = time), change: (sql) => other.exec(sql) };
}

const record = (store: SqliteStore, run: string, numerator = 1, step = 1) =>
  store.record({ run, step, attempt: 0, rank: 0, microBatch: 0 }, recording(numerator));

describe('a page', () => {
  test.each([
    ['that it begins with', [9, 8]],
    ['more than it has', [9, 8, 7, 6]],
    ['behind it', [3, 2, 1, 0]],
  ])('goes on behind runs that are removed while it is read: %s', async (_, removed) => {
    const { store } = open();
    for (let k = 0; k < 10; k++) await record(store, `run-${k}`);
    const reading = store.runs(NEWEST, 3, undefined);
    for (const k of removed) await store.unlink(`run-${k}`);
    const names: string[] = [];
    for (let page = await reading; ; page = await store.runs(NEWEST, 3, page.next)) {
      names.push(...page.runs.map(({ run }) => run));
      if (page.next === undefined) break;
    }
    const left = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0].filter((k) => !removed.includes(k));
    expect(names).toEqual(left.map((k) => `run-${k}`));
  });

  test('goes on behind runs that are removed before they are counted', async () => {
    const { store, change } = open();
    const runs = ['a', 'b', 'c', 'd', 'e', 'f'];
    for (const run of runs.slice(0, 4)) await record(store, run);
    // The count walks through these for a while, from the newest run to the oldest.
    change(`WITH RECURSIVE k (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < 50000)
      INSERT INTO runs (name, created_at, updated_at) SELECT '~removed k' || n, 0, 0 FROM k`);
    for (const run of runs.slice(4)) await record(store, run);
    const query = { search: '', sort: 'oldest' } as const;
    const reading = store.runs(query, 3, undefined);
    for (const run of ['a', 'b']) await store.unlink(run);
    const { runs: first, next, counts } = await reading;
    const { runs: second } = await store.runs(query, 3, next);
    const pages = [first, second].map((page) => page.map(({ run }) => run).join(' '));
    // Whether the first page still reads the removed runs depends on when the store gives way.
    expect(['c d, e f', 'c d e, f']).toContain(pages.join(', '));
    expect(counts!.total).toBe(4);
  });
});
