import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { constants, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { partOf } from '../lists.ts';
import { exchange } from '../raw-http.ts';
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

const TEXT = Buffer.from(encodeRequest(REQUEST, JSON_TYPE));

/** A zstd frame that decoders skip: RFC 8878, 3.1.2. */
const skippable = (bytes: number): Buffer => {
  const frame = Buffer.alloc(8 + bytes, 0x28);
  frame.writeUInt32LE(0x184d2a5e);
  frame.writeUInt32LE(bytes, 4);
  return frame;
};

/** A zstd frame with a checksum. */
const checked = (body: Buffer): Buffer => zstdCompressSync(body, { params: { [constants.ZSTD_c_checksumFlag]: 1 } });

const PARTS: Record<string, { encoding: string; body: Buffer }> = {
  'members of gzip': {
    encoding: 'gzip',
    body: Buffer.concat([gzipSync(TEXT.subarray(0, 20)), gzipSync(''), gzipSync(TEXT.subarray(20))]),
  },
  'frames of zstd': {
    encoding: 'zstd',
    body: Buffer.concat([
      ...[zstdCompressSync(TEXT.subarray(0, 20)), zstdCompressSync(Buffer.alloc(0))],
      ...[checked(TEXT.subarray(20, 30)), zstdCompressSync(TEXT.subarray(30))],
    ]),
  },
  'skippable frames of zstd': {
    encoding: 'zstd',
    body: Buffer.concat([
      ...[skippable(0), skippable(5), zstdCompressSync(TEXT.subarray(0, 20)), skippable(9)],
      ...[zstdCompressSync(TEXT.subarray(20)), skippable(0), skippable(3)],
    ]),
  },
};

describe.each(Object.entries(PARTS))('%s', (_, { encoding, body }) => {
  const head = Buffer.from(
    `POST /v1/cross-entropy HTTP/1.1\r\nhost: localhost\r\ncontent-type: ${JSON_TYPE}\r\ncontent-encoding: ${encoding}\r\ncontent-length: ${body.byteLength}\r\n\r\n`,
  );

  test('are read in one segment, in two that are cut anywhere, and byte by byte', async () => {
    const { loss } = (await service.post(REQUEST)).body;
    const cuts = Array.from({ length: body.byteLength - 1 }, (_, k) => [body.subarray(0, k + 1), body.subarray(k + 1)]);
    const arrivals = [[body], ...partOf(cuts, 5), Array.from(body, (byte) => Buffer.from([byte]))];
    for (const pieces of arrivals) {
      const answer = await exchange(service.url, [head, ...pieces]);
      expect([answer.status, (JSON.parse(answer.body.toString()) as { loss: number }).loss]).toEqual([200, loss]);
    }
  });
});

test('zstd frames of every kind of header are read', async () => {
  const { loss } = (await service.post(REQUEST)).body;
  // Content lengths that take one, two and four bytes, with repeated and large blocks.
  for (const spaces of [0, 255, 256, 70_000, 300_000]) {
    const body = Buffer.concat([' '.repeat(spaces), TEXT].map((part) => zstdCompressSync(Buffer.from(part))));
    const twice = Buffer.concat([
      body,
      zstdCompressSync(Buffer.alloc(65_536, ' ')),
      zstdCompressSync(Buffer.from(' ')),
    ]);
    const answer = await service.post(twice, { headers: { 'content-encoding': 'zstd' } });
    expect([answer.status, answer.body.loss]).toEqual([200, loss]);
  }
});

test('a later frame of zstd that is cut off is refused', async () => {
  const body = Buffer.concat([zstdCompressSync(TEXT), zstdCompressSync(Buffer.from(' '.repeat(50)))]);
  const headers = { 'content-encoding': 'zstd' };
  for (const end of [3, 8, body.byteLength - zstdCompressSync(TEXT).byteLength - 1]) {
    const cut = body.subarray(0, zstdCompressSync(TEXT).byteLength + end);
    const answer = await service.post(cut, { headers });
    expect([answer.status, answer.body.code]).toEqual([400, 'truncated_body']);
  }
});

test('a skippable frame of zstd that is cut off, and one alone, are refused', async () => {
  const headers = { 'content-encoding': 'zstd' };
  const frame = zstdCompressSync(TEXT);
  for (const end of [3, 4, 7, 8, 12]) {
    const cut = Buffer.concat([frame, skippable(5).subarray(0, end)]);
    const answer = await service.post(cut, { headers });
    expect([answer.status, answer.body.code]).toEqual([400, 'truncated_body']);
  }
  const alone = await service.post(skippable(5), { headers });
  expect([alone.status, alone.body.code]).toEqual([400, expect.stringMatching(/^(truncated|malformed)_body$/)]);
});

test('skippable frames of zstd cost next to nothing', async () => {
  const many = Buffer.concat([...Array.from({ length: 100_000 }, () => skippable(0)), zstdCompressSync(TEXT)]);
  const began = performance.now();
  const answer = await service.post(many, { headers: { 'content-encoding': 'zstd' } });
  expect(answer.status).toBe(200);
  // A separate turn of the decoder for each frame took more than a second.
  expect(performance.now() - began).toBeLessThan(500);
});

test('of raw deflate it is said that zlib framing is expected', async () => {
  const { status, body } = await service.post(deflateRawSync(TEXT), { headers: { 'content-encoding': 'deflate' } });
  expect([status, body.code]).toEqual([400, 'malformed_body']);
  expect(body.detail).toContain('deflate is the zlib format (RFC 1950)');
  expect(body.detail).toContain('raw deflate');
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
  const head = `host: localhost\r\ncontent-type: ${MSGPACK}\r\ncontent-encoding: gzip\r\ncontent-length: ${encoded.byteLength}`;
  socket.write(`POST /v1/cross-entropy HTTP/1.1\r\n${head}\r\n\r\n`);
  socket.write(encoded.subarray(0, 20));
  await sleep(50);
  socket.destroy();
  expect((await service.post(REQUEST)).status).toBe(200);
});

/** Head and empty block of an endless zlib stream (RFC 1951, 3.2.4). */
const ZLIB_HEAD = Buffer.from([0x78, 0x9c]);
const EMPTY_BLOCK = Buffer.from([0, 0, 0, 0xff, 0xff]);

/** Head of a zstd frame, for blocks without content. */
const ZSTD_HEAD = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x00]);

const ENDLESS: [what: string, encoding: string, head: Buffer, endless: Buffer][] = [
  ['empty members of gzip', 'gzip', Buffer.alloc(0), gzipSync('')],
  ['empty blocks of gzip', 'gzip', gzipSync('').subarray(0, 10), EMPTY_BLOCK],
  ['empty frames of zstd', 'zstd', Buffer.alloc(0), zstdCompressSync('')],
  ['skippable frames of zstd', 'zstd', Buffer.alloc(0), skippable(65_536)],
  ['empty blocks of deflate', 'deflate', ZLIB_HEAD, EMPTY_BLOCK],
  ['empty blocks of zstd', 'zstd', ZSTD_HEAD, Buffer.alloc(3)],
  ['white space', 'identity', Buffer.alloc(0), Buffer.from(' ')],
  ['white space in gzip', 'gzip', gzipSync('').subarray(0, 10), Buffer.from([0, 1, 0, 0xfe, 0xff, 0x20])],
  ['a skippable frame of zstd', 'zstd', skippable(0xffff).fill(0xff, 4, 8), Buffer.alloc(1000)],
];

describe.each(partOf(ENDLESS, 2))('%s without end, and without Content-Length', (_what, encoding, head, endless) => {
  test('are refused by the bytes that came', async () => {
    const piece = Buffer.concat(Array.from({ length: Math.ceil(65_536 / endless.byteLength) }, () => endless));
    let sent = 0;
    async function* body(): AsyncGenerator<Buffer> {
      yield head;
      for (; sent < 2 ** 26; sent += piece.byteLength) yield piece;
    }
    const response = await fetch(`${service.url}/v1/cross-entropy`, {
      method: 'POST',
      headers: { 'content-type': JSON_TYPE, 'content-encoding': encoding },
      body: body() as unknown as NonNullable<RequestInit['body']>,
      duplex: 'half',
    });
    expect([response.status, await response.json()]).toEqual([
      413,
      expect.objectContaining({ code: 'body_too_large' }),
    ]);
    expect((await service.post(REQUEST)).status).toBe(200);
  });
});
