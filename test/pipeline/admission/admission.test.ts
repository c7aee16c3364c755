import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { LossmeterError } from '../../../src/errors.ts';
import { Admission } from '../../../src/pipeline/admission/admission.ts';
import type { Place, Progress } from '../../../src/pipeline/admission/admission.ts';

const LIMITS = { maxRequestsInFlight: 2, maxQueuedRequests: 2, minBytesPerSecond: 1000, stallSeconds: 1 };

/** A body whose client sends at a rate of bytes per second. */
function bodyAt(bytesPerSecond: number, isWaiting = true): Progress & { failure: LossmeterError | undefined } {
  const started = performance.now();
  return {
    failure: undefined,
    get received() {
      return Math.floor(((performance.now() - started) / 1000) * bytesPerSecond);
    },
    isWaiting,
    fail(error) {
      this.failure ??= error;
    },
  };
}

const isWaiting = (entered: Place | Promise<Place>): boolean => entered instanceof Promise;

test('so many are let in at once, so many wait in order, and more are refused', async () => {
  const admission = new Admission(LIMITS);
  const [first, second] = [admission.enter(), admission.enter()];
  expect([isWaiting(first), isWaiting(second)]).toEqual([false, false]);
  const order: number[] = [];
  const waiting = [3, 4].map((n) =>
    Promise.resolve(admission.enter()).then((place) => {
      order.push(n);
      return place;
    }),
  );
  expect([admission.inFlight, admission.queued]).toEqual([2, 2]);
  expect(() => admission.enter()).toThrow(expect.objectContaining({ code: 'overloaded', status: 429 }));
  for (const place of [first as Place, second as Place]) place.leave();
  for (const place of await Promise.all(waiting)) place.leave();
  expect(order).toEqual([3, 4]);
  expect([admission.inFlight, admission.queued]).toEqual([0, 0]);
  expect(isWaiting(admission.enter())).toBe(false);
});

test('who left while it waited is dropped, and takes no place', async () => {
  const admission = new Admission({ ...LIMITS, maxRequestsInFlight: 1 });
  const first = admission.enter() as Place;
  let left = false;
  const leaver = admission.enter(() => left) as Promise<Place>;
  const stayer = admission.enter() as Promise<Place>;
  left = true;
  await expect(leaver).rejects.toMatchObject({ code: 'client_closed' });
  expect(admission.queued).toBe(1);
  first.leave();
  (await stayer).leave();
});

test('leaving twice gives one place back', () => {
  const admission = new Admission(LIMITS);
  const [first] = [admission.enter() as Place, admission.enter() as Place];
  first.leave();
  first.leave();
  expect(admission.inFlight).toBe(1);
});

test('a slow client does not keep others from being let in; a busy service, or a fast client, does', async () => {
  const admission = new Admission({ ...LIMITS, maxRequestsInFlight: 1 });
  for (const [body, letsIn] of [
    [bodyAt(2000), true],
    [bodyAt(1_000_000), false],
    [bodyAt(0, false), false],
  ] as const) {
    const place = admission.enter() as Place;
    place.watch(body);
    await sleep(250);
    const next = admission.enter();
    expect(isWaiting(next), JSON.stringify(body)).toBe(!letsIn);
    place.leave();
    (await next).leave();
  }
});

test('while others wait for memory, who would hold it for long is failed after two seconds', async () => {
  const admission = new Admission({ ...LIMITS, maxRequestsInFlight: 3, stallSeconds: 60 }, () => true);
  const [dripping, slow, fast] = [bodyAt(10), bodyAt(30 * 1024), bodyAt(60 * 1024)];
  for (const body of [dripping, slow, fast]) (admission.enter() as Place).watch(body);
  await sleep(2300);
  expect(dripping.failure).toMatchObject({ code: 'client_too_slow' });
  expect(slow.failure?.message).toMatch(/at least 40960 bytes per second$/);
  expect(fast.failure).toBeUndefined();
});

test('who sends too little while it is waited for is failed, with what came; a slow but steady one is not', async () => {
  const admission = new Admission({ ...LIMITS, maxRequestsInFlight: 3 });
  const [dripping, steady, busy] = [bodyAt(10), bodyAt(3000), bodyAt(0, false)];
  for (const body of [dripping, steady, busy]) (admission.enter() as Place).watch(body);
  await sleep(1500);
  expect(dripping.failure).toMatchObject({ code: 'client_too_slow', status: 408 });
  expect(dripping.failure?.message).toMatch(
    /^\d+ bytes arrived while the service waited 1\.\d s .* at least 1000 bytes per second$/,
  );
  expect([steady.failure, busy.failure]).toEqual([undefined, undefined]);
});
