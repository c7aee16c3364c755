/** Bodies, streams and answers through the load balancers of deploy/. */
import { once } from 'node:events';
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PostgresServer } from '../postgres/server.ts';
import { attachmentOf } from '../../src/runs/file-name.ts';
import { WRITERS } from '../request-bodies.ts';
import { NAMES } from '../runs/names.ts';
import { startProxy } from './proxies.ts';
import type { Proxy, ProxyName } from './proxies.ts';
import { Replica } from './replica.ts';

let postgres: PostgresServer;
let replicas: Replica[];
beforeAll(async () => {
  postgres = await PostgresServer.start({ isDurable: false });
  const environment = { LOSSMETER_STORE: await postgres.database() };
  replicas = await Promise.all(Array.from({ length: 3 }, () => Replica.start(environment)));
});
afterAll(async () => {
  await Promise.all(replicas.map((replica) => replica[Symbol.asyncDispose]()));
  await postgres[Symbol.asyncDispose]();
});

const JSON_TYPE = { 'content-type': 'application/json' };

const record = (url: string, run: string, step: number, numerator = 1): Promise<Response> =>
  fetch(`${url}/v1/runs/${run}/steps/${step}/ranks/0`, {
    method: 'PUT',
    headers: JSON_TYPE,
    body: JSON.stringify({ numerator, denominator: 1 }),
  });

/** Shape of the logits, which have 64 MB. */
const ROWS = 4000;
const CLASSES = 4000;

describe.each<ProxyName>(['haproxy', 'nginx'])('%s', (name) => {
  let proxy: Proxy;
  beforeAll(
    async () =>
      void (proxy = await startProxy(
        name,
        replicas.map(({ port }) => port),
      )),
  );
  afterAll(() => proxy[Symbol.asyncDispose]());

  test('passes a body of 64 MB on while it comes, and its evaluation back', { timeout: 120_000 }, async () => {
    const logits = new Float32Array(ROWS * CLASSES).map((_, k) => Math.sin(k));
    const label = Int32Array.from({ length: ROWS }, (_, row) => row % CLASSES);
    const { headers, body } = WRITERS.msgpack({
      label: { dtype: 'int32', shape: [ROWS], data: new Uint8Array(label.buffer) },
      logits: { dtype: 'float32', shape: [ROWS, CLASSES], data: new Uint8Array(logits.buffer) },
    });
    const direct = await fetch(`${replicas[0]!.url}/v1/cross-entropy`, { method: 'POST', headers, body });
    const expected = (await direct.json()) as { loss: number };
    const sending = request(`${proxy.url}/v1/cross-entropy`, { method: 'POST', headers });
    const answered = once(sending, 'response') as Promise<[import('node:http').IncomingMessage]>;
    // Sends half of the body, in chunked encoding. A proxy that buffers requests would send nothing to a replica yet.
    const half = body.byteLength / 2;
    sending.write(body.subarray(0, half));
    await expect.poll(() => underWay(), { timeout: 10_000 }).toBe(1);
    sending.end(body.subarray(half));
    const [answer] = await answered;
    const text = (await answer.toArray()).join('');
    expect([answer.statusCode, (JSON.parse(text) as { loss: number }).loss]).toEqual([200, expected.loss]);
  });

  test('passes events on at once, also those of other replicas', { timeout: 60_000 }, async () => {
    const run = `watched-${name}`;
    expect((await record(proxy.url, run, 0)).status).toBe(201);
    const abort = new AbortController();
    const stream = await fetch(`${proxy.url}/v1/runs/${run}/events?last_event_id=0`, { signal: abort.signal });
    expect(stream.headers.get('content-type')).toContain('text/event-stream');
    const seen = new Map<number, number>();
    const reading = (async () => {
      let text = '';
      for await (const chunk of stream.body!.pipeThrough(new TextDecoderStream())) {
        text += chunk;
        for (const [, step] of text.matchAll(/^data: \{"step":(\d+)/gm)) {
          if (!seen.has(Number(step))) seen.set(Number(step), performance.now());
        }
      }
    })().catch(() => undefined);
    await expect.poll(() => [...seen.keys()]).toEqual([0]);
    const delays: number[] = [];
    for (let step = 1; step <= 12; step++) {
      // Records on the replicas in turn. One of them serves the stream.
      expect((await record(replicas[step % 3]!.url, run, step)).status).toBe(201);
      const recorded = performance.now();
      await expect.poll(() => seen.has(step), { interval: 5, timeout: 5000 }).toBe(true);
      delays.push(seen.get(step)! - recorded);
    }
    abort.abort();
    await reading;
    expect(delays.toSorted((a, b) => a - b)[6]).toBeLessThan(150);
    console.log(`${name}: events after ${delays.map((delay) => delay.toFixed(0)).join(', ')} ms`);
  });

  test('keeps names, errors and their headers', async () => {
    const refused = await fetch(`${proxy.url}/v1/cross-entropy`, { method: 'POST', headers: JSON_TYPE, body: '{}' });
    expect(refused.status).toBe(422);
    expect(refused.headers.get('content-type')).toContain('application/problem+json');
    expect((await record(proxy.url, `of%3A${name}.1`, 0)).status).toBe(201);
    expect((await fetch(`${proxy.url}/v1/runs/of%3A${name}.1`)).status).toBe(200);
  });

  test.each(NAMES)('keeps the name %j', async (given) => {
    // A different run for each proxy, with at most 256 characters in its name.
    const run = given.length > 200 ? given : `${given}, ${name}`;
    const path = encodeURIComponent(run);
    expect((await record(proxy.url, path, 7)).status).toBeOneOf([200, 201]);
    const summary = await fetch(`${proxy.url}/v1/runs/${path}`);
    expect(await summary.json()).toMatchObject({ run, steps: 1, last_step: 7 });
    expect(await (await fetch(`${proxy.url}/v1/runs/${path}/steps/7`)).json()).toMatchObject({ run, step: 7 });
    const exported = await fetch(`${proxy.url}/v1/runs/${path}/export?format=jsonl`);
    expect(exported.headers.get('content-disposition')).toBe(attachmentOf(run, '-steps.jsonl'));
    expect(await exported.text()).toMatch(/^\{"step":7,/);
    const abort = new AbortController();
    const events = await fetch(`${proxy.url}/v1/runs/${path}/events?last_event_id=0`, { signal: abort.signal });
    let text = '';
    for await (const chunk of events.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      if (text.includes('"step":7')) break;
    }
    abort.abort();
    expect(text).toMatch(/^event: step$/m);
  });

  test('does not read a name of dots as a way to another path', async () => {
    for (const path of ['a%2F..%2F..%2Finfo', '..%2F..%2Fmetrics']) {
      expect((await fetch(`${proxy.url}/v1/runs/${path}`)).status).toBe(400);
    }
  });

  test(
    'sends a request elsewhere when a replica has ended, and to it again once it is back',
    { timeout: 60_000 },
    async () => {
      const run = `moved-${name}`;
      await replicas[1]!.end('SIGKILL');
      const statuses: number[] = [];
      for (let step = 0; step < 60; step++) {
        statuses.push((await record(proxy.url, run, step)).status);
        await sleep(10);
      }
      expect(new Set(statuses)).toEqual(new Set([201]));
      await replicas[1]!.run();
      await expect
        .poll(
          async () => {
            await Promise.all(Array.from({ length: 12 }, (_, k) => record(proxy.url, run, 100 + k)));
            return (await metricsOf(replicas[1]!))
              .match(/lossmeter_recorded_batches_total\{outcome="(?:created|repeated)"\} (\d+)/g)!
              .join();
          },
          { timeout: 20_000 },
        )
        .toMatch(/[1-9]/);
    },
  );
});

async function metricsOf(replica: Replica): Promise<string> {
  return (await fetch(`${replica.url}/metrics`)).text();
}

/** Number of evaluations in progress on all replicas. */
async function underWay(): Promise<number> {
  const texts = await Promise.all(replicas.map(metricsOf));
  return texts.reduce((sum, text) => sum + Number(/^lossmeter_requests_in_flight (\d+)$/m.exec(text)?.[1] ?? 0), 0);
}
