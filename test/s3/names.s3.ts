import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { logitFile } from '../logit-file.ts';
import { safetensorsFile } from '../safetensors-file.ts';
import { JSON_TYPE, MSGPACK, Service } from '../service.ts';
import { TestStorage } from './storage.ts';

const storage = TestStorage.start('names');
const service = Service.start({ s3Buckets: 'names,missing-bucket', s3PathStyle: true });
const off = Service.start();

const file = safetensorsFile([['logits', { dtype: 'float32', shape: [1, 2], data: new Uint8Array(8) }]]);
const label = [1];
const evaluate = (name: string, type = JSON_TYPE) =>
  service.post({ logits: { file: name, tensor: 'logits' }, label, options: { reduction: 'sum' } }, { type });

beforeAll(async () => {
  await storage.makeBucket('secrets');
  await storage.put('a.safetensors', file, 'secrets');
});
beforeEach(() => storage.proxy.fail());

test.each([
  'a.safetensors',
  'steps/7/rank 0.safetensors',
  'ü/日本/%2e%2e/x',
  'a?b=c&d#e+f',
  'a//b',
  'a/../b',
  './a',
  '%2Fsecrets%2Fa.safetensors',
  "it's (1)*!~[]{}",
])('the key %j is just a key', async (key) => {
  const { status, body } = await evaluate(await storage.put(key, file));
  expect([status, body.loss]).toEqual([200, Math.LN2]);
});

describe('a name that may not be read is refused before the storage is asked', () => {
  test.each([
    ['s3://secrets/a.safetensors', 'this service does not read the bucket of'],
    ['s3://no-such-bucket/a.safetensors', 'this service does not read the bucket of'],
    ['s3://NAMES/a.safetensors', 'this service does not read the bucket of'],
    ['s3://names.evil.example/a', 'this service does not read the bucket of'],
    ['s3://names@evil.example/a', 'this service does not read the bucket of'],
    ['s3://names:80/a', 'this service does not read the bucket of'],
    ['s3://arn:aws:s3:us-east-1:123456789012:accesspoint/names/a', 'this service does not read the bucket of'],
    ['s3://names/../secrets/a.safetensors', 'leads out of its bucket'],
    ['s3://names/a/../../secrets/a.safetensors', 'leads out of its bucket'],
    ['s3://names/..\\secrets/a.safetensors', 'leads out of its bucket'],
    ['s3://names/', 'names no object'],
    ['s3://names', 'names no object'],
    ['s3:///a', 'names no bucket'],
    ['s3://', 'names no bucket'],
  ])('%j: 403', async (name, says) => {
    for (const type of [JSON_TYPE, MSGPACK]) {
      const { status, body } = await evaluate(name, type);
      expect([status, body.code]).toEqual([403, 'file_forbidden']);
      expect(body.detail).toContain(says);
      expect(body.errors).toEqual([{ pointer: '/logits/file', detail: body.detail }]);
    }
    expect(storage.proxy.asked).toEqual([]);
  });

  test('a bucket that exists and one that does not have the same answer', async () => {
    const [there, missing] = await Promise.all(['secrets', 'no-such'].map((name) => evaluate(`s3://${name}/a`)));
    expect(there!.body.detail.replace('secrets', '')).toBe(missing!.body.detail.replace('no-such', ''));
  });

  test.each([
    ['/v1/cross-entropy', 'file', { logits: { file: 's3://names/a.safetensors', tensor: 'logits' }, label }],
    ['/v1/kl-divergence', 'kld_file', { logits: [[0, 0]], reference: { kld_file: 's3://names/a.kld' } }],
  ])('where no bucket is allowed: %s', async (path, key, request) => {
    const { status, body } = await off.post(request, { path });
    expect([status, body.code]).toEqual([403, 'object_storage_off']);
    expect(body.detail).toContain('LOSSMETER_S3_BUCKETS');
    expect(body.errors![0]!.pointer).toMatch(new RegExp(`/${key}$`));
  });

  test('a path, where only buckets are allowed', async () => {
    const { status, body } = await evaluate('a.safetensors');
    expect([status, body.code]).toEqual([403, 'local_data_off']);
  });
});

describe('an object that cannot be read is refused', () => {
  test.each([
    ['s3://names/missing.safetensors', 'there is no such object'],
    ['s3://missing-bucket/a.safetensors', 'there is no such bucket'],
  ])('%s: 422', async (name, says) => {
    const { status, body } = await evaluate(name);
    expect([status, body.code]).toEqual([422, 'file_unreadable']);
    expect(body.detail).toContain(says);
    expect(body.errors).toEqual([{ pointer: '/logits/file', detail: body.detail }]);
  });

  test.each([
    ['empty', new Uint8Array(0), 'it is empty'],
    ['cut off', file.subarray(0, -1), 'it is cut off'],
    ['cut off in its header', file.subarray(0, 20), 'its header should end at byte'],
    ['with bytes to spare', Buffer.concat([file, Buffer.of(0)]), 'its tensors end at byte'],
    [
      'a logit file',
      logitFile({ context: 4, classes: 2, tokens: [0, 1, 0, 1], rows: [] }),
      'it is a logit file of llama.cpp',
    ],
  ])('%s: 422', async (_what, bytes, says) => {
    const { status, body } = await evaluate(await storage.put('wrong.safetensors', bytes));
    expect([status, body.code]).toEqual([422, 'invalid_file']);
    expect(body.detail).toContain(says);
    expect(body.detail).toContain('"s3://names/wrong.safetensors"');
  });
});

test('a header that is longer than the first read is read whole', async () => {
  const many = Array.from(
    { length: 400 },
    (_, k): [string, { dtype: 'float32'; shape: number[]; data: Uint8Array }] => [
      `model.layers.${k}.some.weight.of.a.long.name`,
      { dtype: 'float32', shape: [0], data: new Uint8Array(0) },
    ],
  );
  const long = safetensorsFile([...many, ['logits', { dtype: 'float32', shape: [1, 2], data: new Uint8Array(8) }]]);
  expect(long.byteLength).toBeGreaterThan(2 ** 15);
  const { status, body } = await evaluate(await storage.put('long.safetensors', long));
  expect([status, body.loss]).toEqual([200, Math.LN2]);
  expect(storage.proxy.bytes).toBe(long.byteLength);
});
