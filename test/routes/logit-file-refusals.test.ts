/** Logit files that change, are invalid, or may not be read, over HTTP. */
import { once } from 'node:events';
import {
  appendFileSync,
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compareIn, logitFile, quantise } from '../logit-file.ts';
import { encode } from '../rows.ts';
import { JSON_TYPE, MSGPACK, Service, encodeRequest } from '../service.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'lossmeter-wrong-logit-file-'));
beforeAll(() => {
  for (const name of ['base.kld', 'near.safetensors']) {
    copyFileSync(fileURLToPath(new URL(`../fixtures/llama-kld/${name}`, import.meta.url)), join(dataDir, name));
  }
});
afterAll(() => rmSync(dataDir, { recursive: true }));

const service = Service.start({ dataDir, workers: 2, slabBytes: 8192, inlineLogits: 0 });
const off = Service.shared();
/** Service whose memory limit has no room for 504 labels. */
const tight = Service.start({ dataDir, maxBytesInFlight: 2000 });

const compare = (
  fields: object,
  { from = service, type = MSGPACK }: { from?: Service; type?: string } = {},
): ReturnType<typeof compareIn> => compareIn(from, fields, type);

const write = (name: string, bytes: Uint8Array): { kld_file: string } => {
  writeFileSync(join(dataDir, name), bytes);
  return { kld_file: name };
};

/** Sends a request up to its last byte, calls a function, and sends the last byte. */
async function postSlowly(fields: object, meanwhile: () => void): Promise<{ status: number; code?: string }> {
  const body = encodeRequest(fields, MSGPACK) as Uint8Array;
  const headers = { 'content-type': MSGPACK, 'content-length': body.length };
  const upload = httpRequest(`${service.url}/v1/kl-divergence`, { method: 'POST', headers });
  const answered = once(upload, 'response') as Promise<[IncomingMessage]>;
  upload.write(body.subarray(0, -1));
  // The file is opened when the logits begin.
  await new Promise((resolve) => setTimeout(resolve, 200));
  meanwhile();
  upload.end(body.subarray(-1));
  const [response] = await answered;
  const { code } = (await json(response)) as { code?: string };
  return { status: response.statusCode!, ...(code !== undefined && { code }) };
}

describe('a file that changes while its request is evaluated', () => {
  const path = join(dataDir, 'changing.kld');
  const data = encode('float32', [1, 2, 3]);
  const bytes = logitFile({ context: 3, classes: 3, tokens: [0, 1, 2], rows: [quantise([-1, -2, -0.7])] });
  const post = (meanwhile: () => void): Promise<object> => {
    const reference = write('changing.kld', bytes);
    return postSlowly({ reference, logits: { dtype: 'float32', shape: [1, 3], data } }, meanwhile);
  };

  test.each<[string, () => void]>([
    ['written to', () => writeFileSync(path, Buffer.of(0), { flag: 'r+' })],
    ['longer', () => appendFileSync(path, 'more')],
    ['shorter', () => truncateSync(path, 40)],
  ])('%s: 409', async (_how, change) => {
    expect(await post(change)).toEqual({ status: 409, code: 'file_changed' });
  });

  test('is read as it was when another takes its place', async () => {
    write('next.kld', Buffer.alloc(100));
    expect(await post(() => renameSync(join(dataDir, 'next.kld'), path))).toEqual({ status: 200 });
  });
});

test('files are closed again, whatever came of them', async () => {
  const folder = realpathSync(dataDir);
  const open = (): string[] =>
    readdirSync('/proc/self/fd').flatMap((fd) => {
      try {
        return [readlinkSync(`/proc/self/fd/${fd}`)].filter((file) => file.startsWith(folder));
      } catch {
        return [];
      }
    });
  const logits = { file: 'near.safetensors', tensor: 'logits' };
  write('short.kld', Buffer.from('_logits_'));
  const references = ['base.kld', 'short.kld', 'no.kld', 'near.safetensors'];
  const answers = references.map((name) => compare({ reference: { kld_file: name }, logits }));
  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 422, 422, 422]);
  expect(open()).toEqual([]);
});

describe('refused', () => {
  const logits = [[1, 2, 3]];
  const parts = { context: 3, classes: 3, tokens: [0, 1, 2], rows: [quantise([-1, -2, -0.7])] };
  const good = logitFile(parts);

  test.each<[string, object, number, string, string, string]>([
    ['a path out of the folder', { kld_file: '../x' }, 403, 'file_forbidden', '..', '/reference/kld_file'],
    ['a file that does not exist', { kld_file: 'no.kld' }, 422, 'file_unreadable', 'no such', '/reference/kld_file'],
    ['a safetensors file', { kld_file: 'near.safetensors' }, 422, 'invalid_file', '"_logits_"', '/reference/kld_file'],
    ['another key', { kld_file: 'a', tensor: 'b' }, 422, 'unknown_field', 'unknown key "tensor"', '/reference/tensor'],
    [
      'a name that is a number',
      { kld_file: 3 },
      422,
      'invalid_tensor',
      'reference.kld_file is 3',
      '/reference/kld_file',
    ],
  ])('%s', async (_name, reference, status, code, says, pointer) => {
    for (const type of [JSON_TYPE, MSGPACK]) {
      const { body, ...answer } = await compare({ reference, logits }, { type });
      expect([answer.status, body.code]).toEqual([status, code]);
      expect(body.detail).toContain(says);
      expect(body.errors![0]!.pointer).toBe(pointer);
    }
  });

  test.each<[string, Buffer, string]>([
    ['truncated', good.subarray(0, -1), 'it is cut off'],
    ['longer by a byte', Buffer.concat([good, Buffer.of(0)]), 'expect 48 bytes, but it has 49'],
    ['of another magic', logitFile({ ...parts, magic: '_Logits_' }), 'it begins with "_Logits_", expected "_logits_"'],
    ['of a context without rows', logitFile({ ...parts, context: 2 }), 'its n_ctx is 2, expected at least 3'],
    ['of 2^31 chunks', logitFile({ ...parts, chunks: 2 ** 31 - 1 }), 'but it has 48: it is cut off'],
    ['of a token beyond the vocabulary', logitFile({ ...parts, tokens: [0, 1, 3] }), 'token 2 of'],
    ['of a negative token', logitFile({ ...parts, tokens: [-1, 1, 2] }), 'is -1, expected a class'],
  ])('a file that is %s', async (_name, file, says) => {
    const { body, status } = await compare({ reference: write('wrong.kld', file), logits });
    expect([status, body.code]).toEqual([422, 'invalid_file']);
    expect(body.detail).toContain(says);
    expect(body.errors).toMatchObject([{ pointer: '/reference/kld_file' }]);
  });

  test.each<[object, string]>([
    [{ direction: 'reverse' }, 'options.direction'],
    [{ direction: 'jensen_shannon' }, 'options.direction'],
    [{ logit_scale: 2 }, 'options.logit_scale'],
    [{ tail: 'drop' }, 'options.tail'],
    [{ shift: 1 }, 'options.shift'],
  ])('the option %o', async (options, says) => {
    const { body, status } = await compare({ reference: write('good.kld', good), logits, options });
    expect([status, body.code]).toEqual([422, 'invalid_option']);
    expect(body.detail).toContain(says);
  });

  test('more labels than requests may hold', async () => {
    const logitsOfFile = { dtype: 'float32', shape: [504, 320], data: new Uint8Array(4 * 504 * 320) };
    const fields = { reference: { kld_file: 'base.kld' }, logits: logitsOfFile };
    const { body, status } = await compare(fields, { from: tight });
    expect([status, body.code]).toEqual([413, 'body_too_large']);
    expect(body.detail).toContain('the labels of reference must be buffered in memory');
  });

  test('logits of another shape', async () => {
    const { body, status } = await compare({ reference: write('good.kld', good), logits: [[1, 2]] });
    expect([status, body.code]).toEqual([422, 'shape_mismatch']);
    expect(body.detail).toContain('logits have shape (1, 2), expected (1, 3) or (1, 1, 3)');
  });

  test('a request without logits', async () => {
    const { body, status } = await compare({ reference: write('good.kld', good) });
    expect([status, body.code]).toEqual([422, 'missing_field']);
  });

  test('a logit file in the place of another tensor', async () => {
    for (const type of [JSON_TYPE, MSGPACK]) {
      const { body, status } = await compare({ reference: logits, logits: write('good.kld', good) }, { type });
      expect([status, body.code]).toEqual([422, 'unknown_field']);
    }
  });

  test('any file, where the service reads none', async () => {
    const { body, status } = await compare({ reference: { kld_file: 'base.kld' }, logits }, { from: off });
    expect([status, body.code]).toEqual([403, 'local_data_off']);
  });
});
