/** A list of runs while one of them is removed. */
import { expect, onTestFinished, test } from 'vitest';
import { PostgresDatabase } from '../../src/runs/postgres/database.ts';
import type { Queries } from '../../src/runs/postgres/database.ts';
import { listRuns } from '../../src/runs/postgres/run-list.ts';
import { recording } from '../runs/recordings.ts';
import { makeDatabase, openReplica } from './databases.ts';

test('a run that is removed after the scan of a page is not on it, under any name', async () => {
  const url = await makeDatabase();
  const store = await openReplica(url);
  for (const run of ['a', 'b', 'c']) {
    await store.record({ run, step: 1, rank: 0, microBatch: 0, attempt: 0 }, recording(1));
  }
  const database = new PostgresDatabase({ url, connections: 1 });
  onTestFinished(() => database.close());
  let statements = 0;
  const queries: Queries = {
    first: (sql, ...values) => database.first(sql, ...values),
    rows: async (sql, ...values) => {
      const rows = await database.rows(sql, ...values);
      // The first statement is the scan; the last one reads the summaries.
      if (statements++ === 0) expect(await store.remove('b')).toBe(true);
      return rows;
    },
  };
  const page = await listRuns(queries, { search: '', sort: 'name' }, { limit: 3, after: undefined, now: Date.now() });
  expect(page.runs.map(({ run }) => run)).toEqual(['a', 'c']);
  expect(statements).toBeGreaterThan(1);
});
