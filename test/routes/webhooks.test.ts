import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { loadConfig } from '../../src/environment.ts';
import { readEndpoint } from '../../src/runs/endpoint.ts';
import { Webhook } from '../../src/runs/webhook.ts';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

interface Message {
  headers: IncomingHttpHeaders;
  body: string;
}

/** Number of messages that the receiver still refuses. */
let refusals = 0;
const messages: Message[] = [];
const receiver = createServer(async (request, response) => {
  const message = { headers: request.headers, body: await text(request) };
  if (refusals > 0) {
    refusals--;
    response.writeHead(503).end();
    return;
  }
  messages.push(message);
  response.end();
});

let app: Awaited<ReturnType<typeof buildApp>>;
let url: string;
let hook: string;
beforeAll(async () => {
  await once(receiver.listen(0, '127.0.0.1'), 'listening');
  hook = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
  const environment = { LOSSMETER_STORE: ':memory:', LOSSMETER_WEBHOOK_URL: hook, LOSSMETER_WEBHOOK_SECRET: SECRET };
  app = await buildApp({ config: { ...loadConfig(environment), workers: 1 } });
  url = await app.listen({ host: '127.0.0.1', port: 0 });
});
afterAll(async () => {
  await app.close();
  receiver.close();
});

async function record(run: string, step: number, numerator: number | string, rank = 0): Promise<void> {
  const body = JSON.stringify({ numerator, denominator: 1 });
  const headers = { 'content-type': 'application/json' };
  const { status } = await fetch(`${url}/v1/runs/${run}/steps/${step}/ranks/${rank}`, { method: 'PUT', headers, body });
  expect(status).toBe(201);
}

async function received(count: number): Promise<{ type: string; data: { run: string; step: { step: number } } }[]> {
  for (let k = 0; k < 600 && messages.length < count; k++) await sleep(10);
  await sleep(50);
  return messages.map(({ body }) => JSON.parse(body) as Awaited<ReturnType<typeof received>>[number]);
}

test('a step that is not finite is posted once, signed, with what is known of it', async () => {
  await record('bad', 1, 2);
  await record('bad', 2, 'NaN');
  await record('bad', 2, 1, 1);
  const [message, ...others] = await received(1);
  expect(others).toEqual([]);
  expect(message).toMatchObject({
    type: 'step.non_finite',
    data: {
      run: 'bad',
      step: { step: 2, loss: 'NaN', non_finite: true, summary: 'step 2, rank 0: the pair is NaN / 1' },
    },
  });
  const { headers, body } = messages[0]!;
  const key = Buffer.from(SECRET.slice('whsec_'.length), 'base64');
  const signed = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`;
  expect(headers['webhook-signature']).toBe(`v1,${createHmac('sha256', key).update(signed).digest('base64')}`);
  expect(Math.abs(Number(headers['webhook-timestamp']) - Date.now() / 1000)).toBeLessThan(60);
});

test('a spike is posted when its step is complete, and what was refused is sent again', async () => {
  messages.length = 0;
  for (let step = 0; step < 40; step++) for (const rank of [0, 1]) await record('spiky', step, 2, rank);
  refusals = 2;
  await record('spiky', 40, 30);
  await sleep(100);
  expect([messages.length, refusals]).toEqual([0, 2]);
  await record('spiky', 40, 30, 1);
  expect(await received(1)).toMatchObject([
    { type: 'step.spike', data: { run: 'spiky', step: { step: 40, spike: true } } },
  ]);
  expect(refusals).toBe(0);
  const metrics = await (await fetch(`${url}/metrics`)).text();
  expect(metrics).toContain('lossmeter_webhooks_total{outcome="delivered"} 2');
});

test('a receiver that is gone keeps nobody from recording, and is given up', async () => {
  const outcomes: string[] = [];
  const receiver = readEndpoint({ variable: 'X', value: 'http://127.0.0.1:9/' });
  const lost = new Webhook({ receiver, secret: SECRET, firstPauseMs: 1 }, (outcome) => outcomes.push(outcome));
  const point = {
    ...{
      step: 1,
      attempt: 0,
      numerator: 1,
      denominator: 0,
      loss: Infinity,
      ranks: 1,
      rankLosses: undefined,
      sequence: 1,
    },
    ...{ nonFinite: true, causes: [], summary: undefined, recordedAt: 0, complete: true, spike: false },
  };
  lost.tell({ run: 'x', runId: 1, point });
  for (let k = 0; k < 200 && outcomes.length === 0; k++) await sleep(10);
  expect(outcomes).toEqual(['failed']);
  await lost.close();
});

test('without a secret the service does not start', async () => {
  const config = loadConfig({ LOSSMETER_STORE: ':memory:', LOSSMETER_WEBHOOK_URL: hook });
  await expect(buildApp({ config: { ...config, workers: 1 } })).rejects.toThrow('LOSSMETER_WEBHOOK_SECRET');
});
