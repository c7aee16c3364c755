import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { encodeRequest, JSON_TYPE, MSGPACK, Service } from '../service.ts';

const service = Service.start({ maxBodyBytes: 2 ** 20 });

const REQUEST = { label: [2, 0], logits: { dtype: 'float32', shape: [2, 3], data: [1, 2, 3, 0, 0, 0] } };

const ENCODERS = {
  gzip: gzipSync,
  'x-gzip': gzipSync,
  deflate: deflateSync,
  zstd: zstdCompressSync,
  identity: (body: Buffer) => body,
};

test.each(Object.entries(ENCODERS))('%s is read, in every media type', async (encoding, encode) => {
  const plain = await service.post(REQUEST);
  for (const type of [JSON_TYPE, MSGPACK]) {
    const body = encode(Buffer.from(encodeRequest(REQUEST, type)));
    const { status, body: answer } = await service.post(body, { type, headers: { 'content-encoding': encoding } });
    expect([status, answer.loss]).toEqual([200, plain.body.loss]);
  }
});

test('an encoding that is not known is refused with those that are', async () => {
  const { status, body } = await service.post(REQUEST, { headers: { 'content-encoding': 'br' } });
  expect([status, body.code]).toEqual([415, 'unsupported_content_encoding']);
  expect(body.detail).toContain('gzip, deflate, zstd');
});

test.each(['gzip', 'deflate', 'zstd'] as const)('%s that is broken or cut off is refused', async (encoding) => {
  const encoded = ENCODERS[encoding](Buffer.from(encodeRequest(REQUEST, MSGPACK)));
  const headers = { 'content-encoding': encoding };
  const broken = await service.post(Buffer.from('certainly not compressed'), { type: MSGPACK, headers });
  expect([broken.status, broken.body.code]).toEqual([400, 'malformed_body']);
  const cut = await service.post(encoded.subarray(0, encoded.byteLength - 8), { type: MSGPACK, headers });
  expect(cut.status).toBe(400);
  expect(['truncated_body', 'malformed_body']).toContain(cut.body.code);
});

test.each(['gzip', 'deflate', 'zstd'] as const)('bytes that follow the end of %s are refused', async (encoding) => {
  const body = Buffer.concat([ENCODERS[encoding](Buffer.from(encodeRequest(REQUEST, MSGPACK))), Buffer.alloc(100, 7)]);
  const answer = await service.post(body, { type: MSGPACK, headers: { 'content-encoding': encoding } });
  expect([answer.status, answer.body.code]).toEqual([400, 'malformed_body']);
});

test('the limit counts what comes out: a small body of a gigabyte is refused', async () => {
  const bomb = gzipSync(Buffer.alloc(2 ** 24));
  expect(bomb.byteLength).toBeLessThan(2 ** 15);
  const { status, body } = await service.post(bomb, { type: JSON_TYPE, headers: { 'content-encoding': 'gzip' } });
  expect([status, body.code]).toEqual([413, 'body_too_large']);
});

test('a client that leaves within an encoded body leaves nothing behind', async () => {
  const encoded = gzipSync(Buffer.from(encodeRequest(REQUEST, MSGPACK)));
  const { hostname, port } = new URL(service.url);
  const socket = connect(Number(port), hostname);
  const head = `host: x\r\ncontent-type: ${MSGPACK}\r\ncontent-encoding: gzip\r\ncontent-length: ${encoded.byteLength}`;
  socket.write(`POST /v1/cross-entropy HTTP/1.1\r\n${head}\r\n\r\n`);
  socket.write(encoded.subarray(0, 20));
  await sleep(50);
  socket.destroy();
  expect((await service.post(REQUEST)).status).toBe(200);
});
