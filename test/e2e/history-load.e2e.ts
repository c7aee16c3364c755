import { mkdtempSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { fillRun } from '../../bench/run-history.ts';
import { SqliteStore } from '../../src/runs/sqlite/store.ts';
import type { Reading } from '../complexity/monitor.ts';
import { ServiceProcess } from './process.ts';
import { TIMED } from '../timed.ts';

const folder = mkdtempSync(join(tmpdir(), 'lossmeter-load-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const newPath = (): string => join(folder, `${files++}.db`);

/** Starts a service with a monitor of its main thread. */
async function serve(store: string, environment: Record<string, string> = {}): Promise<ServiceProcess> {
  const service = await ServiceProcess.start(
    {
      ...{ LOSSMETER_STORE: store, LOSSMETER_WORKERS: '1', NODE_OPTIONS: `--import ${MONITOR.href}` },
      ...environment,
    },
    { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] },
  );
  onTestFinished(async () => void (await service.end()));
  // Discard the turns of the start.
  await longestTurn(service);
  return service;
}

const MONITOR = new URL('../complexity/monitor.ts', import.meta.url);

/** Processor time of the longest turn of the main thread since the previous call, in milliseconds. */
async function longestTurn({ child }: ServiceProcess): Promise<number> {
  const answer = once(child, 'message');
  child.send('read');
  const [reading] = (await answer) as [Reading];
  return reading.longestTurn;
}

async function get<T>({ url }: ServiceProcess, path: string): Promise<T> {
  const response = await fetch(url + path);
  expect(response.status, path).toBe(200);
  return (await response.json()) as T;
}

/** Sorted times of probes while work runs, in milliseconds. Each probe has its own connection. */
async function probe({ url }: ServiceProcess, work: Promise<unknown>): Promise<number[]> {
  const done = new AbortController();
  void work.finally(() => done.abort());
  const times: number[] = [];
  while (!done.signal.aborted) {
    const started = performance.now();
    const response = await fetch(`${url}/livez`, { headers: { connection: 'close' } });
    await response.arrayBuffer();
    times.push(performance.now() - started);
    await sleep(10);
  }
  await work;
  return times.toSorted((a, b) => a - b);
}

/** Milliseconds of processor time that a turn may take: 20, plus the interval of the monitor and a garbage collection. */
const MOST_TURN_MS = 28;

test('the curve of 200,000 steps that are not finite comes at once, within its points', TIMED, async () => {
  const path = newPath();
  fillRun(path, { run: 'r', batches: 200_000, ranks: 1, microBatches: 1 });
  const database = new DatabaseSync(path);
  const spoil = (step: string): void =>
    database.exec(`UPDATE steps SET loss = NULL, numerator = NULL, non_finite = 1 WHERE ${step}`);
  const service = await serve(path);
  // Every second step is not finite, then all steps.
  for (const which of ['step % 2 = 0', 'true']) {
    spoil(which);
    for (const maxPoints of [4, 2000]) {
      const started = performance.now();
      const answer = await get<{ steps: { non_finite: boolean }[] }>(
        service,
        `/v1/runs/r/steps?max_points=${maxPoints}`,
      );
      expect(performance.now() - started).toBeLessThan(3000);
      expect(answer.steps.length).toBeLessThanOrEqual(maxPoints);
      expect(answer.steps.some(({ non_finite: nonFinite }) => nonFinite)).toBe(true);
      expect(await longestTurn(service), `${which}, ${maxPoints}`).toBeLessThan(MOST_TURN_MS);
    }
  }
  database.close();
});

interface Detail {
  batches?: number;
  next?: string;
  loss: unknown;
  rank_details: { rank: number; numerator: number; micro_batches: { micro_batch: number; diagnostics: object }[] }[];
}

/** All pages of a step. */
async function pagesOf(service: ServiceProcess, path: string): Promise<Detail[]> {
  const pages: Detail[] = [];
  for (let cursor = ''; ;) {
    pages.push(await get<Detail>(service, `${path}${cursor}`));
    const { next } = pages.at(-1)!;
    if (next === undefined) return pages;
    cursor = `?cursor=${next}`;
  }
}

test(
  'a step of thousands of bad micro-batches is told in pages, exported and deleted, and the service stays',
  TIMED,
  async () => {
    const path = newPath();
    await new SqliteStore(path).close();
    const database = new DatabaseSync(path);
    // An earlier version kept 4096 places (280 KB) for each micro-batch.
    const place = { row: 17, column: 20011, value: 'NaN', is_label: false, masked: false };
    const diagnostics = JSON.stringify({
      ...{
        verdict: 'non_finite',
        summary: 'NaN in 1 of 1 row',
        causes: [{ cause: 'nan_logit', rows: 1, first: place }],
      },
      ...{
        locations: Array.from({ length: 4096 }, () => place),
        logits: { nan: 4096, pos_inf: 0, neg_inf: 0, bad_rows: 4096 },
      },
    });
    const [ranks, microBatches] = [10, 120];
    database.exec(`BEGIN;
    INSERT INTO runs (name, created_at, updated_at, batches, steps, ranks) VALUES ('bad', 0, 0, 1200, 1, ${ranks});
    INSERT INTO steps VALUES (1, 7, 0, x'', x'', NULL, 1200, NULL, ${ranks}, NULL, NULL, 1200, 1, '["nan_logit"]', 's', 0, 0, 0, 1);
    INSERT INTO attempts VALUES (1, 0, 7, 1);
    UPDATE sequence SET value = 1;
    WITH RECURSIVE k (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM k WHERE n < ${ranks - 1})
      INSERT INTO ranks SELECT 1, 7, n, x'000000000000F87F', x'0000000000000000', NULL FROM k;`);
    const insert = database.prepare(
      "INSERT INTO batches VALUES (1, 7, 0, ?, ?, NULL, 1, 0, 'NaN in 1 of 1 row', ?, x'00', 0, NULL, NULL)",
    );
    for (let k = 0; k < ranks * microBatches; k++)
      insert.run(Math.floor(k / microBatches), k % microBatches, diagnostics);
    database.exec('COMMIT');
    database.close();

    const service = await serve(path);
    const pages = await pagesOf(service, '/v1/runs/bad/steps/7');
    expect(await longestTurn(service)).toBeLessThan(MOST_TURN_MS);
    expect(pages.length).toBeGreaterThan(2);
    expect(pages.map(({ batches }) => batches)).toEqual([1200, ...pages.slice(1).map(() => undefined)]);
    const seen = pages.flatMap(({ rank_details: details }) =>
      details.flatMap(({ rank, micro_batches: own }) => own.map(({ micro_batch: number }) => [rank, number])),
    );
    expect(seen).toEqual(Array.from({ length: 1200 }, (_, k) => [Math.floor(k / microBatches), k % microBatches]));
    for (const page of pages) expect(JSON.stringify(page).length).toBeLessThan(1_000_000);

    const exported = await (await fetch(`${service.url}/v1/runs/bad/export?of=batches`)).text();
    expect(exported.split('\r\n')).toHaveLength(1 + 1200 + 1);
    expect(await longestTurn(service)).toBeLessThan(MOST_TURN_MS);

    const started = performance.now();
    expect((await fetch(`${service.url}/v1/runs/bad`, { method: 'DELETE' })).status).toBe(204);
    expect(performance.now() - started).toBeLessThan(2000);
    expect((await fetch(`${service.url}/v1/runs/bad`)).status).toBe(404);
    expect(await longestTurn(service)).toBeLessThan(MOST_TURN_MS);
    const left = new DatabaseSync(path, { readOnly: true });
    for (let k = 0; k < 200 && left.prepare('SELECT count(*) AS n FROM batches').get()!['n'] !== 0; k++)
      await sleep(50);
    for (const table of ['runs', 'steps', 'ranks', 'batches']) {
      expect(left.prepare(`SELECT count(*) AS n FROM ${table}`).get(), table).toEqual({ n: 0 });
    }
    left.close();
  },
);

test('a bad batch stores a few kilobytes, and its recorder is told all', TIMED, async () => {
  const path = newPath();
  const service = await serve(path);
  const logits = Array.from({ length: 8 }, () => Array.from({ length: 512 }, () => 'NaN'));
  const body = JSON.stringify({
    ...{ logits, label: [0, 1, 2, 3, 4, 5, 6, 7] },
    options: { max_locations: 4096, parallel_config: { data_parallel: 8, model_parallel: 1 } },
  });
  for (let microBatch = 0; microBatch < 20; microBatch++) {
    const response = await fetch(`${service.url}/v1/runs/r/steps/1/ranks/0?micro_batch=${microBatch}`, {
      ...{ method: 'PUT', headers: { 'content-type': 'application/json' }, body },
    });
    expect(response.status).toBe(201);
    const { diagnostics } = (await response.json()) as { diagnostics: { locations: unknown[] } };
    expect(diagnostics.locations).toHaveLength(4096);
  }
  const [page] = await pagesOf(service, '/v1/runs/r/steps/1');
  expect(page!.rank_details[0]!.micro_batches).toHaveLength(20);
  expect(page!.rank_details[0]!.micro_batches[0]!.diagnostics).toMatchObject({ logits: { nan: 4096, bad_rows: 8 } });
  const database = new DatabaseSync(path, { readOnly: true });
  const { most } = database.prepare('SELECT max(octet_length(diagnostics)) AS most FROM batches').get()!;
  expect(Number(most)).toBeLessThan(9000);
  database.close();
});

test('50 event streams that begin at the first of 20,000 steps leave the probes their turns', TIMED, async () => {
  const path = newPath();
  const steps = 20_000;
  fillRun(path, { run: 'r', batches: steps, ranks: 1, microBatches: 1 });
  const service = await serve(path);
  const { hostname, port } = new URL(service.url);
  const follow = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: hostname, port: Number(port) });
      socket.write(`GET /v1/runs/r/events?last_event_id=0 HTTP/1.1\r\nhost: localhost\r\n\r\n`);
      let count = 0;
      socket.on('data', (chunk: Buffer) => {
        for (let at = chunk.indexOf('event: step'); at >= 0; at = chunk.indexOf('event: step', at + 1)) count++;
        // An event may be cut between two chunks.
        if (count < steps * 0.99) return;
        socket.destroy();
        resolve();
      });
      socket.on('error', reject);
      socket.setTimeout(30_000, () => reject(new Error(`${count} events came`)));
    });
  const times = await probe(service, Promise.all(Array.from({ length: 50 }, follow)));
  expect(times[Math.floor(0.9 * times.length)]).toBeLessThan(300);
  expect(await longestTurn(service)).toBeLessThan(MOST_TURN_MS);
});

test('a lock of another process keeps nobody but recordings waiting, which are refused in time', TIMED, async () => {
  const path = newPath();
  const service = await serve(path);
  const record = (step: number): Promise<Response> =>
    fetch(`${service.url}/v1/runs/r/steps/${step}/ranks/0`, {
      ...{ method: 'PUT', headers: { 'content-type': 'application/json' } },
      body: JSON.stringify({ numerator: 1, denominator: 1 }),
    });
  expect((await record(0)).status).toBe(201);
  const other = new DatabaseSync(path);
  other.exec('BEGIN IMMEDIATE');
  const started = performance.now();
  const refused = Promise.all(Array.from({ length: 30 }, (_, k) => record(1 + k)));
  const times = await probe(service, refused);
  expect(performance.now() - started).toBeLessThan(4000);
  for (const response of await refused) {
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await response.json()).toMatchObject({ code: 'store_unavailable' });
  }
  expect(times[times.length >> 1]).toBeLessThan(100);
  expect(await longestTurn(service)).toBeLessThan(MOST_TURN_MS);
  other.exec('ROLLBACK');
  other.close();
  expect((await record(1)).status).toBe(201);
});
