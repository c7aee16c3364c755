/** Turns of the thread of the store while it reads long lists of runs. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, onTestFinished, test } from 'vitest';
import { SORTS } from '../../../src/contract/runs.ts';
import { SqliteStore } from '../../../src/runs/sqlite/store.ts';
import { TIMED } from '../../timed.ts';

/** Processor time of this thread in milliseconds. */
function threadTime(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

test('a search through large labels, and a list behind removed runs, let others work in between', TIMED, async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'lossmeter-run-list-')), 'runs.db');
  const store = new SqliteStore(path);
  const database = new DatabaseSync(path);
  onTestFinished(async () => {
    await store.close();
    rmSync(dirname(path), { recursive: true });
  });
  database.exec(`WITH RECURSIVE k (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < 3000)
    INSERT INTO runs (name, labels, created_at, updated_at)
      SELECT 'run-' || n, json_object('a', printf('%.*c', 20000, 'x')), 0, 0 FROM k;
    WITH RECURSIVE k (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < 100000)
    INSERT INTO runs (name, created_at, updated_at) SELECT '~removed ' || n, 0, 0 FROM k;`);
  database.close();
  const words = Array.from({ length: 60 }, (_, k) => `y${k}`).join(' ');
  for (const query of [...SORTS.map((sort) => ({ search: '', sort })), { search: words, sort: 'updated' } as const]) {
    // Processor time excludes other work of the machine.
    let [longest, last] = [0, threadTime()];
    const look = (): void => {
      longest = Math.max(longest, threadTime() - last);
      last = threadTime();
      timer = setImmediate(look);
    };
    let timer = setImmediate(look);
    const { runs } = await store.runs(query, 10, undefined);
    clearImmediate(timer);
    expect(runs.length, query.search).toBe(query.search === '' ? 7 : 0);
    expect(longest, query.sort).toBeLessThan(20);
  }
});
