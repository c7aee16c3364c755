import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { encode, seededRandom } from '../rows.ts';
import { safetensorsFile } from '../safetensors-file.ts';
import { MSGPACK, Service } from '../service.ts';
import type { Asked, Fault } from './fault-proxy.ts';
import { TestStorage } from './storage.ts';

const storage = TestStorage.start('faults');
/** Service that reads the logits by several requests of 64 KiB. */
const service = Service.start({
  ...{ s3Buckets: 'faults', s3PathStyle: true, stallSeconds: 1 },
  ...{ workers: 2, slabBytes: 2 ** 16, inlineLogits: 0 },
});

const ROWS = 512;
const CLASSES = 256;
const random = seededRandom(3);
const values = Array.from({ length: ROWS * CLASSES }, () => (random() - 0.5) * 20);
const logits: Tensor = { dtype: 'float32', shape: [ROWS, CLASSES], data: encode('float32', values) };
const label = Array.from({ length: ROWS }, (_, row) => row % CLASSES);
const file = safetensorsFile([['logits', logits]]);
const other = safetensorsFile([['logits', { ...logits, data: encode('float32', values.toReversed()) }]]);

let loss: number;
beforeAll(async () => {
  const { body } = await service.post({ logits, label }, { type: MSGPACK });
  loss = body.loss!;
});
beforeEach(async () => {
  storage.proxy.fail();
  await storage.put('step.safetensors', file);
});

const evaluate = (name = 's3://faults/step.safetensors') =>
  service.post({ logits: { file: name, tensor: 'logits' }, label });

const THROTTLED: Fault = { status: 503, code: 'SlowDown' };

/** True for the first two requests for logits. */
const first = ({ index }: Asked): boolean => index === 1 || index === 2;

describe('a fault that passes does not show in the answer', () => {
  test.each<[string, (asked: Asked) => Fault | undefined]>([
    ['SlowDown', (asked) => (first(asked) ? THROTTLED : undefined)],
    [
      '429 with Retry-After',
      (asked) => (first(asked) ? { status: 429, code: 'TooManyRequests', retryAfter: '1' } : undefined),
    ],
    ['500', (asked) => (first(asked) ? { status: 500, code: 'InternalError' } : undefined)],
    ['a reset before the response', (asked) => (first(asked) ? 'reset' : undefined)],
    ['a reset before the body', (asked) => (first(asked) ? { resetAfter: 0 } : undefined)],
    ['a reset in the body', (asked) => (first(asked) ? { resetAfter: 1001 } : undefined)],
    ['a reset in the header of the file', ({ index }) => (index === 0 ? { resetAfter: 11 } : undefined)],
    ['a body that is cut off', (asked) => (first(asked) ? { cutAfter: 4097 } : undefined)],
    ['silence', (asked) => (first(asked) ? 'silence' : undefined)],
    ['a body that trickles', (asked) => (first(asked) ? { pieceBytes: 100, everyMs: 50 } : undefined)],
  ])('%s', async (_fault, fail) => {
    storage.proxy.fail(fail);
    const { status, body } = await evaluate();
    expect([status, body.loss]).toEqual([200, loss]);
    // The request for the header, 8 ranges, and at least one repetition.
    expect(storage.proxy.asked.length).toBeGreaterThan(9);
  });

  test('but /metrics counts it', async () => {
    const read = async (name: string): Promise<number> => {
      const metrics = await (await service.get('/metrics')).text();
      return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(metrics)![1]);
    };
    const [bytes, retries] = [await read('lossmeter_object_bytes_total'), await read('lossmeter_object_retries_total')];
    storage.proxy.fail(({ index }) => [undefined, THROTTLED, { resetAfter: 30_000 } as const][index]);
    expect((await evaluate()).status).toBe(200);
    expect((await read('lossmeter_object_bytes_total')) - bytes).toBe(file.byteLength);
    expect((await read('lossmeter_object_retries_total')) - retries).toBe(2);
  });

  test('a range that breaks off is read on from there', async () => {
    storage.proxy.fail(({ index }) => (index === 1 ? { resetAfter: 30_000 } : undefined));
    expect((await evaluate()).body.loss).toBe(loss);
    expect(storage.proxy.bytes).toBe(file.byteLength);
    const begins = storage.proxy.asked.map(({ range }) => Number(/\d+/.exec(range!)![0]));
    expect(new Set(begins).size).toBe(begins.length);
  });
});

describe('a fault that lasts is a problem that can be repeated', () => {
  test.each<[string, (asked: Asked) => Fault | undefined, string]>([
    ['SlowDown', () => THROTTLED, 'it answers 503 SlowDown'],
    ['SlowDown after the header', ({ index }) => (index > 0 ? THROTTLED : undefined), 'it answers 503 SlowDown'],
    ['429', () => ({ status: 429, code: 'TooManyRequests' }), 'it answers 429 TooManyRequests'],
    ['500', () => ({ status: 500, code: 'InternalError' }), 'it answers 500 InternalError'],
    ['resets', ({ index }) => (index > 0 ? { resetAfter: 10 } : undefined), 'its response broke off'],
    ['resets before the response', () => 'reset', 'it breaks the connection'],
    ['bodies that are cut off', ({ index }) => (index > 0 ? { cutAfter: 10 } : undefined), 'its response ended early'],
    ['silence', () => 'silence', 'it does not answer in time'],
    ['trickles', ({ index }) => (index > 0 ? { pieceBytes: 10, everyMs: 50 } : undefined), 'it sends too slowly'],
  ])('%s', async (_fault, fail, says) => {
    storage.proxy.fail(fail);
    const started = performance.now();
    const { status, headers, body } = await evaluate();
    expect([status, body.code, headers.get('retry-after')]).toEqual([503, 'storage_unavailable', '1']);
    expect(body.detail).toContain(says);
    expect(body.detail).toContain('"s3://faults/step.safetensors" cannot be read from the object storage');
    expect(performance.now() - started).toBeLessThan(30_000);
    // The number of attempts is bounded.
    expect(storage.proxy.asked.length).toBeLessThan(200);
    storage.proxy.fail();
    expect((await evaluate()).body.loss).toBe(loss);
  });
});

describe('an object that changes meanwhile is refused', () => {
  test('by its entity tag, which every read asks for', async () => {
    storage.proxy.fail(({ index }) => {
      if (index === 1) void storage.put('step.safetensors', other);
      return index >= 1 ? { pieceBytes: 2 ** 15, everyMs: 300 } : undefined;
    });
    const { status, body } = await evaluate();
    expect([status, body.code]).toEqual([409, 'file_changed']);
    expect(body.detail).toBe('"s3://faults/step.safetensors" was overwritten while it was read');
  });

  test('by a server that does not know If-Match', async () => {
    storage.proxy.fail(({ index }) => (index === 3 ? { etag: '"other"' } : undefined));
    const { status, body } = await evaluate();
    expect([status, body.code]).toEqual([409, 'file_changed']);
  });

  test('also where it is gone', async () => {
    storage.proxy.fail(({ index }) => (index > 0 ? { status: 404, code: 'NoSuchKey' } : undefined));
    const { status, body } = await evaluate();
    expect([status, body.code]).toEqual([409, 'file_changed']);
    expect(body.detail).toContain('was deleted while it was read');
  });
});

describe('a refusal of the storage is told without its message', () => {
  test.each<[string, Fault, string]>([
    ['denied', { status: 403, code: 'AccessDenied' }, 'the object storage denies access to it'],
    [
      'signed with a wrong key',
      { status: 403, code: 'SignatureDoesNotMatch' },
      'the object storage denies access to it',
    ],
    ['a long key', { status: 400, code: 'KeyTooLongError' }, 'its name is too long'],
    ['archived', { status: 403, code: 'InvalidObjectState' }, 'it is archived'],
    ['another region', { status: 301, code: 'PermanentRedirect' }, 'in another region than AWS_REGION'],
    ['anything else', { status: 400, code: 'InvalidRequest' }, '400 InvalidRequest'],
    ['a server without ranges', 'whole', 'the object storage answers without range'],
  ])('%s: 422', async (_what, fault, says) => {
    storage.proxy.fail(() => fault);
    const { status, body } = await evaluate();
    expect([status, body.code]).toEqual([422, 'file_unreadable']);
    expect(body.detail).toContain(says);
    expect(body.errors).toEqual([{ pointer: '/logits/file', detail: body.detail }]);
    expect(storage.proxy.asked).toHaveLength(1);
  });
});

test('a client that leaves ends the requests of the storage', async () => {
  storage.proxy.fail(({ index }) => (index > 0 ? 'silence' : undefined));
  const controller = new AbortController();
  const posted = fetch(`${service.url}/v1/cross-entropy`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ logits: { file: 's3://faults/step.safetensors', tensor: 'logits' }, label }),
    signal: controller.signal,
  });
  await expect.poll(() => storage.proxy.asked.length).toBeGreaterThan(2);
  controller.abort();
  await expect(posted).rejects.toThrow('aborted');
  await expect.poll(() => storage.proxy.underWay, { timeout: 10_000 }).toBe(0);
});
