/** Faults of the process and of its limits. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { MSGPACK, encodeRequest } from '../service.ts';
import { Subject } from './subject.ts';
import { faultNamed } from './table.ts';
import { TIMED } from '../timed.ts';

test('killed while recording', async () => {
  expect.hasAssertions();
  const subject = new Subject();
  for (let round = 0; round < 4; round++) {
    await subject.start();
    const before = subject.acknowledged;
    const over = new AbortController();
    const clients = Array.from({ length: 8 }, async () => {
      while (!over.signal.aborted) await subject.record().catch(() => over.abort());
    });
    while (subject.acknowledged < before + 20 + 30 * round) await sleep(5);
    await subject.end('SIGKILL');
    await Promise.all(clients);
  }
  await subject.start();
  await subject.expectRecovered();
});

/** Calls over one connection, which stays open. */
class KeptConnection {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  async call(method: string, path: string, body = ''): Promise<number> {
    const headers = body === '' ? {} : { 'content-type': 'application/json', 'content-length': body.length };
    const call = request(this.#url + path, { agent: this.#agent, method, headers });
    call.end(body);
    const [response] = (await once(call, 'response')) as [IncomingMessage];
    response.resume();
    await once(response, 'end');
    return response.statusCode!;
  }

  close(): void {
    this.#agent.destroy();
  }
}

test('out of file handles', async () => {
  const subject = new Subject();
  await subject.start();
  await subject.recordMany(3);
  const kept = new KeptConnection(subject.service.url);
  expect(await kept.call('GET', '/livez')).toBe(200);
  const open = readdirSync(`/proc/${subject.pid}/fd`).length;
  execFileSync('prlimit', ['--pid', String(subject.pid), `--nofile=${open}:`]);
  const refused = await Promise.allSettled(Array.from({ length: 30 }, () => subject.evaluate()));
  expect(
    refused.some(({ status }) => status === 'rejected'),
    'no connection was refused',
  ).toBe(true);
  const evaluation = JSON.stringify({ logits: [[1, 2, 3]], label: [2] });
  const pair = JSON.stringify({ numerator: 1, denominator: 1 });
  for (let step = 0; step < 5; step++) {
    expect(await kept.call('GET', '/livez')).toBe(200);
    expect(await kept.call('GET', '/readyz')).toBe(200);
    expect(await kept.call('POST', '/v1/cross-entropy', evaluation)).toBe(200);
    expect(await kept.call('PUT', `/v1/runs/kept/steps/${step}/ranks/0`, pair)).toBe(201);
  }
  execFileSync('prlimit', ['--pid', String(subject.pid), '--nofile=1024:']);
  kept.close();
  await subject.expectRecovered();
});

test('heap of 64 MB', async () => {
  const fault = faultNamed('heap of 64 MB');
  const subject = new Subject();
  await subject.start({ NODE_OPTIONS: '--max-old-space-size=64' });
  await subject.recordMany(20);
  const rows = Array.from({ length: 8 }, () => Array.from({ length: 1000 }, () => 1.5));
  const headers = { 'content-type': 'application/json' };
  const ordinary = JSON.stringify({ logits: rows, label: rows.map(() => 3) });
  for (let k = 0; k < 20; k++) {
    expect(await subject.request('/v1/cross-entropy', { method: 'POST', headers, body: ordinary })).toMatchObject({
      status: 200,
    });
  }
  // Bodies of several times the heap: numbers in JSON, and logits that wait in memory for their label.
  const numbers = `{"label":[0],"logits":[[${'1.5,'.repeat(8_000_000)}1]]}`;
  const logits = Buffer.alloc(4 * 30_000_000);
  const waiting = encodeRequest(
    { logits: { dtype: 'float32', shape: [1000, 30_000], data: logits }, label: Array.from({ length: 1000 }, () => 1) },
    MSGPACK,
  );
  const answers = await Promise.all([
    subject.request('/v1/cross-entropy', { method: 'POST', headers, body: numbers }),
    subject.request('/v1/cross-entropy', {
      method: 'POST',
      headers: { 'content-type': MSGPACK },
      body: Buffer.from(waiting),
    }),
  ]);
  for (const { status, code } of answers) {
    if (status !== 200) expect(fault.answers).toContainEqual({ status, code });
  }
  await subject.expectRecovered();
  expect(await subject.end()).toBe(0);
});

test('second signal while closing', TIMED, async () => {
  const fault = faultNamed('second signal while closing');
  const subject = new Subject();
  for (const [first, second] of [
    ['SIGTERM', 'SIGTERM'],
    ['SIGTERM', 'SIGINT'],
    ['SIGINT', 'SIGINT'],
  ] as const) {
    await subject.start();
    await subject.recordMany(3);
    const held = request(`${subject.service.url}/v1/cross-entropy`, {
      method: 'POST',
      headers: { 'content-type': MSGPACK, 'content-length': 100 },
    });
    const broken = once(held, 'error');
    held.write(Buffer.of(0x82));
    await sleep(200);
    subject.service.child.kill(first);
    await sleep(200);
    expect(subject.service.child.exitCode).toBeNull();
    const started = performance.now();
    expect(await subject.end(second)).toBe(fault.exitCode);
    expect(performance.now() - started).toBeLessThan(1000);
    await broken;
  }
  await subject.start();
  await subject.expectRecovered();
});

test('SIGTERM with open event streams', TIMED, async () => {
  const fault = faultNamed('SIGTERM with open event streams');
  const subject = new Subject();
  await subject.start();
  await subject.recordMany(5);
  const streams = await Promise.all(
    Array.from({ length: 5 }, () => fetch(`${subject.service.url}/v1/runs/r/events?last_event_id=0`)),
  );
  const texts = streams.map((stream) => stream.text());
  await subject.recordMany(5);
  await sleep(200);
  const started = performance.now();
  expect(await subject.end()).toBe(fault.exitCode);
  expect(performance.now() - started).toBeLessThan(3000);
  for (const text of await Promise.all(texts)) expect(text.match(/^event: step$/gm)).toHaveLength(10);
  await subject.start();
  await subject.expectRecovered();
});

test('output of logs closed', async () => {
  const subject = new Subject();
  await subject.start();
  await subject.recordMany(3);
  subject.service.child.stdout!.destroy();
  subject.service.child.stderr!.destroy();
  await sleep(50);
  for (let k = 0; k < 20; k++) {
    await subject.expectServing();
    await subject.recordMany(1);
    // The service logs this refusal, although its output is closed.
    expect(await subject.request('/v1/cross-entropy', { method: 'POST' })).toMatchObject({ status: 415 });
  }
  expect(await subject.end()).toBe(0);
  await subject.start();
  await subject.expectRecovered();
});

test('clock set back', async () => {
  const subject = new Subject();
  const jump = join(subject.folder, 'jump');
  const source = `import { existsSync } from 'node:fs'; const now = Date.now;
    Date.now = () => now() - (existsSync(${JSON.stringify(jump)}) ? 86400000 : 0);`;
  await subject.start({ NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(source)}` });
  await subject.recordMany(5);
  writeFileSync(jump, '');
  await sleep(100);
  await subject.expectRecovered();
  const run = (await (await fetch(`${subject.service.url}/v1/runs/r`)).json()) as {
    last_step: number;
    updated_at: string;
  };
  expect(new Date(run.updated_at).getTime()).toBeLessThan(Date.now() - 80_000_000);
  expect(existsSync(subject.store)).toBe(true);
  expect(await subject.end()).toBe(0);
});
