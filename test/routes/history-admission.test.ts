import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { Service, testConfig } from '../service.ts';
import { TIMED } from '../timed.ts';

async function record(service: Service, run: string, step: number): Promise<void> {
  const { status } = await fetch(`${service.url}/v1/runs/${run}/steps/${step}/ranks/0`, {
    ...{ method: 'PUT', headers: { 'content-type': 'application/json' } },
    body: JSON.stringify({ numerator: 1, denominator: 1 }),
  });
  expect(status).toBe(201);
}

describe('reads of the history', () => {
  const service = Service.start({ maxHistoryReads: 2, maxQueuedHistoryReads: 3 });

  test.each(['/v1/runs', '/v1/runs/r', '/v1/runs/r/steps', '/v1/runs/r/steps/1', '/v1/runs/r/export'])(
    'of %s beyond those that may wait are refused, and can be repeated',
    TIMED,
    async (path) => {
      await record(service, 'r', 1).catch(() => undefined);
      const responses = await Promise.all(Array.from({ length: 40 }, () => fetch(service.url + path)));
      const refused = responses.filter(({ status }) => status === 429);
      expect(new Set(responses.map(({ status }) => status))).toEqual(new Set([200, 429]));
      for (const response of refused) {
        expect(response.headers.get('retry-after')).toBe('1');
        const { code, detail } = (await response.json()) as { code: string; detail: string };
        expect(code).toBe('overloaded');
        expect(detail).toMatch(/^2 reads of the history are under way and 3 wait/);
      }
      expect((await fetch(service.url + path)).status).toBe(200);
    },
  );

  test('do not keep evaluations and recordings waiting', async () => {
    const reads = Promise.all(Array.from({ length: 40 }, () => fetch(`${service.url}/v1/runs`)));
    const { status } = await service.post({ logits: [[1, 2]], label: [0] });
    expect(status).toBe(200);
    await record(service, 'others', 1);
    await reads;
  });
});

describe('event streams', () => {
  const service = Service.start({ maxEventStreams: 3, maxEventStreamsPerClient: 2 });

  const open = async (): Promise<{ response: Response; leave: () => void }> => {
    const left = new AbortController();
    onTestFinished(() => left.abort());
    const response = await fetch(`${service.url}/v1/runs/r/events`, { signal: left.signal });
    return { response, leave: () => left.abort() };
  };

  test('of one client are bounded, and one that ends makes room', async () => {
    await record(service, 'r', 1);
    const streams = [await open(), await open()];
    expect(streams.map(({ response }) => response.status)).toEqual([200, 200]);
    const { response: refused } = await open();
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
    expect(await refused.json()).toMatchObject({
      ...{ code: 'overloaded', detail: 'the address 127.0.0.1 has 2 event streams open, the maximum of a client' },
    });
    streams[0]!.leave();
    await sleep(100);
    expect((await open()).response.status).toBe(200);
  });
});

describe('memory that reads of the history hold', () => {
  // A quarter of the limit is reserved for slabs. The rest has room for one answer.
  const service = Service.start({ maxBytesInFlight: 2 ** 20 });

  test('is on the account of the service before it is taken', async () => {
    await record(service, 'r', 1);
    const left = new AbortController();
    onTestFinished(() => left.abort());
    expect((await fetch(`${service.url}/v1/runs/r/events`, { signal: left.signal })).status).toBe(200);
    const refused = await fetch(`${service.url}/v1/runs/r/steps`);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
    expect(await refused.json()).toMatchObject({ code: 'overloaded' });
    left.abort();
    await sleep(100);
    expect((await fetch(`${service.url}/v1/runs/r/steps`)).status).toBe(200);
  });
});

describe('HEAD', () => {
  let app: Awaited<ReturnType<typeof buildApp>>;
  let url: string;

  beforeAll(async () => {
    app = await buildApp({ config: testConfig({}), logger: { level: 'error' } });
    url = await app.listen({ host: '127.0.0.1', port: 0 });
    const diagnostics = { verdict: 'finite' as const, summary: 'finite', causes: [] };
    for (let first = 0; first < 5000; first += 500) {
      await app.runs.recordMany(
        Array.from({ length: 500 }, (_, k) => ({
          key: { run: 'long', step: first + k, attempt: 0, rank: 0, microBatch: 0 },
          recording: { numerator: 1, denominator: 1, digest: new Uint8Array(1), diagnostics },
        })),
      );
    }
  });
  afterEach(() => vi.restoreAllMocks());
  afterAll(() => app.close());

  test.each(['/v1/runs/long/export', '/v1/runs/long/steps?limit=10000', '/v1/runs/long/events?last_event_id=0'])(
    'of %s sends the head, and reads no more than the first pages',
    async (path) => {
      const { runPages } = app;
      const pages = [vi.spyOn(runPages, 'exportSteps'), vi.spyOn(runPages, 'stepsJson'), vi.spyOn(runPages, 'events')];
      const response = await fetch(url + path, { method: 'HEAD' });
      expect([response.status, response.headers.get('content-length')]).toEqual([200, null]);
      await sleep(300);
      // Pages with the first 64 KB plus the page in progress, out of 11 pages.
      expect(pages.reduce((sum, { mock }) => sum + mock.calls.length, 0)).toBeLessThanOrEqual(5);
    },
  );
});
