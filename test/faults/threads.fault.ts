/** Faults of threads. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { MSGPACK, encodeRequest } from '../service.ts';
import { Subject } from './subject.ts';
import type { Answer } from './subject.ts';
import { faultNamed } from './table.ts';
import type { Fault } from './table.ts';

/** Sends requests while threads are ended. Each answer must be a success, or an answer that the table lists. */
async function expectAnswers(
  fault: Fault,
  { send, success, end }: { send: () => Promise<Answer>; success: number; end: () => Promise<number> },
): Promise<void> {
  const answers: Answer[] = [];
  const over = new AbortController();
  const clients = Array.from({ length: 4 }, async () => {
    while (!over.signal.aborted) answers.push(await send());
  });
  let ended = 0;
  for (let k = 0; k < 10; k++) {
    await sleep(100 + 10 * k);
    ended += await end();
  }
  await sleep(300);
  over.abort();
  await Promise.all(clients);
  expect(ended).toBeGreaterThan(3);
  expect(answers.filter(({ status }) => status === success).length).toBeGreaterThan(0);
  for (const { status, code, retryAfter } of answers) {
    if (status === success) continue;
    expect(fault.answers).toContainEqual({ status, code });
    expect(retryAfter).toBe('1');
  }
}

test('kernel thread lost', async () => {
  const fault = faultNamed('kernel thread lost');
  const subject = new Subject();
  await subject.startWithThreads();
  await subject.recordMany(5);
  const logits = { dtype: 'float32', shape: [1000, 500], data: Buffer.alloc(2_000_000) };
  const body = Buffer.from(encodeRequest({ label: Array.from({ length: 1000 }, () => 1), logits }, MSGPACK));
  const send = (): Promise<Answer> =>
    subject.request('/v1/cross-entropy', { method: 'POST', headers: { 'content-type': MSGPACK }, body });
  await expectAnswers(fault, { send, success: 200, end: () => subject.endThreads('/engine/worker.') });
  await sleep(1000);
  for (let k = 0; k < 10; k++) expect(await send()).toMatchObject({ status: 200 });
  await subject.expectRecovered();
  expect(await subject.end()).toBe(0);
});

test('JSON thread lost', async () => {
  const fault = faultNamed('JSON thread lost');
  const subject = new Subject();
  await subject.startWithThreads();
  await subject.recordMany(5);
  const logits = Array.from({ length: 100 }, () => Array.from({ length: 1000 }, (_, k) => k / 1000));
  const body = JSON.stringify({ logits, label: logits.map(() => 1) });
  expect(body.length).toBeGreaterThan(2 ** 18);
  const send = (): Promise<Answer> =>
    subject.request('/v1/cross-entropy', { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  await expectAnswers(fault, { send, success: 200, end: () => subject.endThreads('/wire/json-text/worker.') });
  for (let k = 0; k < 10; k++) expect(await send()).toMatchObject({ status: 200 });
  await subject.expectRecovered();
  expect(await subject.end()).toBe(0);
});

test('store thread lost', async () => {
  const fault = faultNamed('store thread lost');
  const subject = new Subject();
  await subject.startWithThreads();
  await subject.recordMany(5);
  await expectAnswers(fault, {
    send: () => subject.record(),
    success: 201,
    end: () => subject.endThreads('/runs/thread/worker.'),
  });
  await sleep(1000);
  await subject.expectRecovered();
  expect(await subject.end()).toBe(0);
});

test('store thread lost, history in memory', async () => {
  const fault = faultNamed('store thread lost, history in memory');
  const subject = new Subject();
  await subject.startWithThreads({ LOSSMETER_STORE: ':memory:' });
  await subject.recordMany(5);
  expect(await subject.endThreads('/runs/thread/worker.')).toBe(1);
  await sleep(500);
  await subject.expectRefusing(fault, /the thread that kept it in memory ended. Restart the service/);
  const { status, code } = await subject.request('/v1/runs/r');
  expect(fault.answers).toContainEqual({ status, code });
  expect(await subject.end()).toBe(0);
  subject.forget();
  await subject.start();
  await subject.expectRecovered();
});
