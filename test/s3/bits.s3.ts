import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FLOAT_DTYPES } from '../../src/tensor/dtype.ts';
import type { FloatDType } from '../../src/tensor/dtype.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { encodeElements } from '../../src/wire/tensors/elements.ts';
import { logitFile } from '../logit-file.ts';
import { encode, seededRandom } from '../rows.ts';
import { safetensorsFile } from '../safetensors-file.ts';
import { JSON_TYPE, MSGPACK, Service } from '../service.ts';
import { TestStorage } from './storage.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'lossmeter-s3-'));
afterAll(() => rmSync(dataDir, { recursive: true }));

const storage = TestStorage.start('bits');
const SLAB_BYTES = [64, 512, 5000, 2 ** 21];
const SETTINGS = { dataDir, s3Buckets: 'others, bits', s3PathStyle: true, workers: 2 };
const services = SLAB_BYTES.map((slabBytes) => Service.start({ ...SETTINGS, slabBytes, inlineLogits: 0 }));
const inline = Service.start(SETTINGS);

const ROWS = 97;
const CLASSES = 61;
const random = seededRandom(11);
const values = Array.from({ length: ROWS * CLASSES }, (_, k) => (k % 1777 === 5 ? Number.NaN : (random() - 0.5) * 20));
const others = values.map((value, k) => (k % 13 === 0 ? 0 : value * 0.9));
const label: Tensor = {
  dtype: 'int64',
  shape: [ROWS],
  data: encodeElements(
    'test',
    'int64',
    Array.from({ length: ROWS }, (_, row) => (row * 7) % CLASSES),
  ),
};
const logitsOf = (dtype: FloatDType, of = values): Tensor => ({
  dtype,
  shape: [ROWS, CLASSES],
  data: encode(dtype, of),
});

/** Writes a file twice: in the data directory, and as an object. */
async function write(name: string, bytes: Uint8Array): Promise<void> {
  writeFileSync(join(dataDir, name), bytes);
  await storage.put(name, bytes);
}

const LOCAL = '';
const REMOTE = 's3://bits/';

beforeAll(async () => {
  for (const dtype of FLOAT_DTYPES) {
    const file = safetensorsFile([
      ['other', logitsOf(dtype, others)],
      ['logits', logitsOf(dtype)],
      ['label', label],
    ]);
    await write(`${dtype}.safetensors`, file);
  }
  const tokens = Array.from({ length: 2 * 100 }, (_, k) => (k * 5) % CLASSES);
  const rows = Array.from({ length: 2 * 49 }, (_, row) => ({
    scale: 0.0002,
    minimum: -12 - (row % 3),
    q: Array.from({ length: CLASSES }, () => Math.floor(random() * 65_535)),
  }));
  await write('base.kld', logitFile({ context: 100, classes: CLASSES, tokens, rows }));
  const logits = {
    dtype: 'float32' as const,
    shape: [98, CLASSES],
    data: encode('float32', [...values, ...values].slice(0, 98 * CLASSES)),
  };
  await write('behind.safetensors', safetensorsFile([['logits', logits]]));
});

describe.each(FLOAT_DTYPES)('%s logits of an object have the bits of those of a local file', (dtype) => {
  const file = `${dtype}.safetensors`;
  const refer = (place: string, tensor: string): unknown => ({ file: place + file, tensor });

  test('in a loss, with its outputs, for many sizes of slabs', async () => {
    const request = (place: string): unknown => ({
      ...{ logits: refer(place, 'logits'), label: refer(place, 'label') },
      options: { label_smoothing: 0.1, outputs: ['per_token_loss', 'gradient'] },
    });
    for (const service of [...services, inline]) {
      const [local, remote] = await Promise.all(
        [LOCAL, REMOTE].map((place) => service.post(request(place), { headers: { accept: MSGPACK } })),
      );
      expect(local!.status).toBe(200);
      expect(remote!.body).toEqual(local!.body);
    }
  });

  test('in a comparison, on either side and on both', async () => {
    const request = (logits: string, reference: string): unknown => ({
      ...{ logits: refer(logits, 'logits'), reference: refer(reference, 'other'), label: refer(reference, 'label') },
      options: { outputs: ['kl_divergence', 'gradient'] },
    });
    for (const service of [...services, inline]) {
      const path = '/v1/kl-divergence';
      const local = await service.post(request(LOCAL, LOCAL), { path, headers: { accept: MSGPACK } });
      expect(local.status).toBe(200);
      for (const [logits, reference] of [
        [REMOTE, LOCAL],
        [LOCAL, REMOTE],
        [REMOTE, REMOTE],
      ] as const) {
        const remote = await service.post(request(logits, reference), { path, headers: { accept: MSGPACK } });
        expect(remote.body).toEqual(local.body);
      }
    }
  });

  test('beside logits that are sent', async () => {
    for (const service of services) {
      const request = (place: string): unknown => ({
        ...{ reference: refer(place, 'other'), label, logits: logitsOf(dtype) },
      });
      const path = '/v1/kl-divergence';
      const [local, remote] = await Promise.all(
        [LOCAL, REMOTE].map((place) => service.post(request(place), { path, type: MSGPACK })),
      );
      expect(local!.status).toBe(200);
      expect(remote!.body).toEqual(local!.body);
    }
  });
});

test('logits whose class axis is not the last, and a shard of the vocabulary', async () => {
  const service = services[1]!;
  const moved = (place: string): unknown => ({
    logits: { file: `${place}float32.safetensors`, tensor: 'logits' },
    label: Array.from({ length: CLASSES }, (_, row) => row),
    options: { class_axis: 0 },
  });
  const shard = (place: string): unknown => ({
    ...{ vocab_start: 0, vocab_size: CLASSES, label },
    logits: { file: `${place}float16.safetensors`, tensor: 'logits' },
  });
  for (const [request, path] of [
    [moved, '/v1/cross-entropy'],
    [shard, '/v1/cross-entropy/partials'],
  ] as const) {
    const [local, remote] = await Promise.all(
      [LOCAL, REMOTE].map((place) => service.post(request(place), { path, type: MSGPACK })),
    );
    expect(local!.body).toEqual(remote!.body);
    expect([local!.status, remote!.status]).toEqual([200, 200]);
  }
});

test('a llama.cpp logit file that is an object is the same reference', async () => {
  for (const service of services) {
    const request = (logits: string, reference: string): unknown => ({
      logits: { file: `${logits}behind.safetensors`, tensor: 'logits' },
      reference: { kld_file: `${reference}base.kld` },
    });
    const path = '/v1/kl-divergence';
    const local = await service.post(request(LOCAL, LOCAL), { path });
    expect(local.status).toBe(200);
    for (const logits of [LOCAL, REMOTE]) {
      expect((await service.post(request(logits, REMOTE), { path })).body).toEqual(local.body);
    }
  }
});

test('/v1/info tells whether objects can be named', async () => {
  const { local_data, object_storage } = (await (await inline.get('/v1/info')).json()) as Record<string, unknown>;
  expect([local_data, object_storage]).toEqual([true, true]);
});

test('only the first bytes and the tensors that are named are transferred', async () => {
  const tensor = (bytes: number): Tensor => ({
    dtype: 'float32',
    shape: [bytes / 400, 100],
    data: new Uint8Array(bytes),
  });
  const few: Tensor = { dtype: 'uint8', shape: [20_000], data: new Uint8Array(20_000) };
  const file = safetensorsFile([
    ['before', tensor(4_000_000)],
    ['logits', tensor(8_000_000)],
    ['label', few],
    ['after', tensor(4_000_000)],
  ]);
  const name = await storage.put('large.safetensors', file);
  storage.proxy.fail();
  const { status, body } = await services[3]!.post({
    logits: { file: name, tensor: 'logits' },
    label: { file: name, tensor: 'label' },
  });
  expect([status, body.rows.total]).toEqual([200, 20_000]);
  expect(storage.proxy.bytes).toBe(2 ** 14 + 8_000_000 + 20_000);
  expect(storage.proxy.asked.every(({ method, range }) => method === 'GET' && range !== undefined)).toBe(true);
});

test('many requests at a time have at most 32 requests of the storage under way', async () => {
  storage.proxy.fail(() => undefined);
  const request = { logits: { file: 's3://bits/float32.safetensors', tensor: 'logits' }, label };
  const answers = await Promise.all(
    Array.from({ length: 24 }, () => services[0]!.post(request, { type: MSGPACK, headers: { accept: JSON_TYPE } })),
  );
  for (const { body } of answers) expect(body).toEqual(answers[0]!.body);
  expect(answers[0]!.status).toBe(200);
  expect(storage.proxy.atOnce).toBeLessThanOrEqual(32);
  expect(storage.proxy.atOnce).toBeGreaterThan(8);
});
