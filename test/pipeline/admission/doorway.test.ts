import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { Admission } from '../../../src/pipeline/admission/admission.ts';
import { Doorway } from '../../../src/pipeline/admission/doorway.ts';
import { Turns } from '../../../src/pipeline/admission/turns.ts';
import { runWaiting } from '../../../src/waiting.ts';
import { HeldBytes } from '../../../src/wire/body/held-bytes.ts';
import { msgpackCodec } from '../../../src/wire/msgpack/codec.ts';

const LIMITS = { maxRequestsInFlight: 1, maxQueuedRequests: 1, stallSeconds: 10, minBytesPerSecond: 1 };
const BODY_LIMITS = { maxBodyBytes: 1000, maxDecompressionRatio: 200 };

function requestOf(contentLength?: number) {
  return { stream: Readable.from([Buffer.from('x')]), codec: msgpackCodec, contentEncoding: undefined, contentLength };
}

const doorway = (turns?: Turns): Doorway =>
  new Doorway(new Admission(LIMITS), new HeldBytes(2 ** 20), BODY_LIMITS, turns);

test('a request enters at once where there is room', async () => {
  const body = runWaiting(doorway(new Turns()).admit(requestOf(1)));
  expect(body).not.toBeInstanceOf(Promise);
  (await body).close();
});

test('the next waits for the place of the one before, a third is refused', async () => {
  const entrance = doorway();
  const first = await runWaiting(entrance.admit(requestOf()));
  let hasEntered = false;
  const second = Promise.resolve(runWaiting(entrance.admit(requestOf()))).then((body) => {
    hasEntered = true;
    return body;
  });
  expect(() => runWaiting(entrance.admit(requestOf()))).toThrow('1 evaluations are under way and 1 wait');
  await new Promise(setImmediate);
  expect(hasEntered).toBe(false);
  first.close();
  (await second).close();
});

test('a body that is announced as too long is refused before it takes a place', () => {
  const entrance = doorway();
  expect(() => runWaiting(entrance.admit(requestOf(1001)))).toThrow('Content-Length is 1001, expected at most 1000');
  expect(runWaiting(entrance.admit(requestOf(1000)))).not.toBeInstanceOf(Promise);
});

test('where many begin in a turn, the rest waits for later ones', async () => {
  const turns = new Turns();
  const entrance = new Doorway(
    new Admission({ ...LIMITS, maxRequestsInFlight: 1000 }),
    new HeldBytes(2 ** 20),
    BODY_LIMITS,
    turns,
  );
  const until = performance.now() + 20;
  let waiting: unknown;
  while (performance.now() < until && !(waiting instanceof Promise)) {
    waiting = runWaiting(entrance.admit(requestOf()));
    if (!(waiting instanceof Promise)) (waiting as { close: () => void }).close();
  }
  expect(waiting).toBeInstanceOf(Promise);
  ((await waiting) as { close: () => void }).close();
});
