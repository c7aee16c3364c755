import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { PostgresStore } from '../../src/runs/postgres/store.ts';
import { PostgresTables } from '../../src/runs/postgres/tables.ts';
import type { RunStore } from '../../src/runs/store.ts';
import { SqliteStore } from '../../src/runs/sqlite/store.ts';
import { SqliteTables } from '../../src/runs/sqlite/tables.ts';
import type { HistoryTables } from '../../src/runs/tables.ts';
import { mapValues } from '../../src/map-values.ts';
import type { Value } from '../../src/runs/rows.ts';
import { NAMES } from '../runs/names.ts';
import { ALL, recording } from '../runs/recordings.ts';
import { makeDatabase } from './databases.ts';

const folder = mkdtempSync(join(tmpdir(), 'lossmeter-copy-'));
afterAll(() => rmSync(folder, { recursive: true }));

const copy = (from: string, to: string) =>
  spawnSync(process.execPath, ['src/cli/bin.js', 'store', 'copy', from, to], { encoding: 'utf8', timeout: 60_000 });

/** Records runs with every kind of content that the tables can hold. */
async function fill(store: RunStore): Promise<void> {
  const values = [1, Number.NaN, Infinity, -Infinity, 5e-324, 0.1, 1e300, -1e300, 2];
  for (const [run, attempts] of [
    ['first', 1],
    ['second', 2],
  ] as const) {
    for (let attempt = 0; attempt < attempts; attempt++) {
      for (let step = 3 * attempt; step < 40; step++) {
        for (let rank = 0; rank < 3; rank++) {
          await store.record({ run, step, rank, attempt, microBatch: 0 }, recording(values[(step + rank) % 9]!, 3));
        }
      }
    }
  }
  await store.describe('described', { labels: { model: 'ä\u0000\ud800', lr: 1e-4 }, expectedRanks: 8 });
  for (const name of NAMES) await store.describe(name, {});
  await store.remove('first');
  await store.record({ run: 'first', step: 7, rank: 0, attempt: 0, microBatch: 0 }, recording(7));
}

async function rowsOf(tables: HistoryTables): Promise<unknown[]> {
  const all: unknown[] = [];
  // Bytes are a Uint8Array in rows of node:sqlite, and a Buffer in rows of pg.
  const comparable = (value: Value): Value =>
    value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value;
  await tables.read(async ({ table, rows }) => {
    for (const row of rows) all.push({ table, ...mapValues(row, comparable) });
  });
  await tables.close();
  return all;
}

test(
  'a history that is copied to PostgreSQL and back has the same rows, and goes on',
  { timeout: 120_000 },
  async () => {
    const [first, url, second] = [join(folder, 'first.db'), await makeDatabase(), join(folder, 'second.db')];
    const original = new SqliteStore(first);
    await fill(original);
    await original.close();
    const there = copy(first, url);
    expect(there.stderr).toBe('');
    const runs = 3 + NAMES.length;
    expect(there.stdout).toMatch(
      new RegExp(`^copied ${runs} runs, \\d+ attempts, \\d+ batches, \\d+ row_losses, \\d+ ranks, 41 steps, `),
    );
    const back = copy(url, second);
    expect(back.stdout).toBe(there.stdout);
    const rows = await rowsOf(new SqliteTables(first));
    expect(await rowsOf(new PostgresTables(url))).toEqual(rows);
    expect(await rowsOf(new SqliteTables(second))).toEqual(rows);

    const stores = [
      new SqliteStore(second, () => 5),
      new PostgresStore({ url, connections: 2, now: () => 5 }),
    ] as const;
    await stores[1].open();
    const [onSqlite, onPostgres] = await Promise.all(
      stores.map(async (store: RunStore) => {
        const sequence = await store.sequence();
        // An existing batch, a batch that continues a step, and a new run.
        const outcomes = [];
        for (const [run, rank] of [
          ['second', 0],
          ['second', 3],
          ['third', 0],
        ] as const) {
          outcomes.push(await store.record({ run, step: 20, rank, attempt: 1, microBatch: 0 }, recording(rank)));
        }
        const { changed } = await store.changes(sequence, 10);
        const steps = await store.steps('second', ALL, 100);
        const ids = [await store.idOf('second'), await store.idOf('third')];
        await store.close();
        return { outcomes, changed, steps, ids };
      }),
    );
    expect(onSqlite!.outcomes).toEqual(['conflict', 'created', 'created']);
    expect(onPostgres).toEqual(onSqlite);
  },
);

test('a history that is not empty takes no copy, and a password is not shown', async () => {
  const url = await makeDatabase();
  const store = new PostgresStore({ url, connections: 2 });
  await store.record({ run: 'r', step: 0, rank: 0, attempt: 0, microBatch: 0 }, recording(1));
  await store.close();
  const file = join(folder, 'other.db');
  const other = new SqliteStore(file);
  await other.record({ run: 'r', step: 0, rank: 0, attempt: 0, microBatch: 0 }, recording(2));
  await other.close();
  expect(copy(file, url)).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('it has 1 runs, expected none') as string,
  });
  expect(copy(url, file)).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('it has 1 runs, expected none') as string,
  });
  const { status, stderr } = copy(file, 'postgres://me:secret@127.0.0.1:1/none');
  expect([status, stderr]).toEqual([2, expect.stringContaining('ECONNREFUSED') as string]);
  expect(stderr).not.toContain('secret');
  expect(copy(join(folder, 'absent.db'), url).stderr).toContain('absent.db does not exist');
});
