import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { constants, createZstdCompress, gzipSync, zstdCompressSync } from 'node:zlib';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { loadConfig } from '../../src/environment.ts';
import type { Place } from '../../src/pipeline/admission/admission.ts';
import { exchange } from '../raw-http.ts';
import { encodeRequest, JSON_TYPE, MSGPACK, Service } from '../service.ts';

const service = Service.start({ maxJsonDepth: 8, maxElements: 1000, maxHeaderBytes: 2048, maxDecompressionRatio: 50 });
const GOOD = { logits: [[1, 2, 3]], label: [2] };

describe('nesting of JSON', () => {
  const nested = (depth: number): string => `${'['.repeat(depth)}1${']'.repeat(depth)}`;

  test.each([
    ['deeper than the limit', `{"logits": [[1]], "label": [0], "options": {"x": ${nested(7)}}}`],
    ['a hundred thousand levels', nested(100_000)],
    ['a million levels, which are read on a thread of their own', '[{"a":'.repeat(500_000)],
    ['brackets in strings that are not strings', `{"a": "\\\\", "b": ${nested(8)}, "c": "]]]]]]]]"}`],
  ])('%s is refused before it is read', async (_what, text) => {
    const { status, body } = await service.post(text);
    expect([status, body.code]).toEqual([400, 'malformed_body']);
    expect(body.detail).toBe('the body is nested deeper than 8 levels');
  });

  test.each([
    ['as deep as the limit', `{"logits": [[1]], "label": [0], "options": {"x": ${nested(6)}}}`],
    ['brackets within strings', `{"logits": [[1]], "label": [0], "options": {"x": "[[[[[[[[[[\\"[[[[\\\\"}}`],
  ])('%s is read', async (_what, text) => {
    expect((await service.post(text)).body.code).toBe('invalid_option');
  });
});

describe('what a compressed body may become', () => {
  const zeros = (bytes: number): Buffer => {
    const label = { dtype: 'uint8', shape: [1], data: new Uint8Array(1) };
    const mask = { dtype: 'uint8', shape: [bytes], data: new Uint8Array(bytes) };
    return Buffer.from(encodeRequest({ label, input_mask: mask, logits: [[1, 2]] }, MSGPACK));
  };

  test.each([
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
  ] as const)('%s of many zeros is cut off', async (encoding, compress) => {
    const headers = { 'content-encoding': encoding };
    const { status, body } = await service.post(compress(zeros(2 ** 25)), { type: MSGPACK, headers });
    expect([status, body.code]).toEqual([413, 'body_too_large']);
    expect(body.detail).toMatch(
      new RegExp(`^\\d+ bytes of ${encoding} data became \\d+, more than 50 times as many; send`),
    );
    const small = await service.post(compress(zeros(2 ** 20)), { type: MSGPACK, headers });
    expect(small.body.code, 'what is small may be of any ratio').toBe('shape_mismatch');
  });
});

describe('the window of a zstd frame', () => {
  const narrow = Service.start({ maxBytesInFlight: 2 ** 27 });

  // Compresses a stream: with a known length the encoder would choose a smaller window.
  const frameOf = (windowLog: number): Promise<Buffer> =>
    buffer(
      Readable.from([JSON.stringify(GOOD)]).pipe(
        createZstdCompress({ params: { [constants.ZSTD_c_windowLog]: windowLog } }),
      ),
    );
  const headers = { 'content-encoding': 'zstd' };

  test.each([23, 24, 27])('may have 2^%i bytes', async (windowLog) => {
    expect((await service.post(await frameOf(windowLog), { headers })).status).toBe(200);
  });

  test('may not have more than 2^27', async () => {
    for (const body of [await frameOf(28), Buffer.concat([await frameOf(20), await frameOf(28)])]) {
      const answer = await service.post(body, { headers });
      expect([answer.status, answer.body.code]).toEqual([413, 'body_too_large']);
      expect(answer.body.detail).toContain(`a window of ${2 ** 28} bytes`);
      expect(answer.body.detail).toContain(`at most ${2 ** 27} bytes (--long=27)`);
    }
  });

  test('has to fit the account', async () => {
    expect((await narrow.post(await frameOf(26), { headers })).status).toBe(200);
    const { status, body } = await narrow.post(await frameOf(27), { headers });
    expect([status, body.code]).toEqual([413, 'body_too_large']);
    expect(body.detail).toContain(`the window of ${2 ** 27} bytes of a zstd frame must be buffered in memory`);
    expect(body.detail).toMatch(/would exceed the \d+ bytes that requests may hold/);
  });
});

describe('rows that are announced only', () => {
  const frugal = Service.start({ maxBytesInFlight: 2 ** 20 });

  test('take no memory, with nothing to label them by', async () => {
    const header = JSON.stringify({ logits: { dtype: 'F16', shape: [1e8, 1], data_offsets: [0, 2e8] } });
    const length = Buffer.alloc(8);
    length.writeUInt32LE(header.length);
    const body = Buffer.concat([length, Buffer.from(header), Buffer.alloc(64)]);
    const head = 'host: localhost\r\ncontent-type: application/vnd.safetensors\r\ntransfer-encoding: chunked';
    const answer = await exchange(frugal.url, [
      Buffer.from(`POST /v1/diagnose HTTP/1.1\r\n${head}\r\n\r\n${body.length.toString(16)}\r\n`),
      body,
      Buffer.from('\r\n0\r\n\r\n'),
    ]);
    expect([answer.status, JSON.parse(answer.body.toString())]).toMatchObject([413, { code: 'body_too_large' }]);
  });
});

test('logits of more elements than allowed are refused, in every media type', async () => {
  const logits = { dtype: 'float32', shape: [501, 2], data: new Uint8Array(8 * 501) };
  const label = Array.from({ length: 501 }, () => 0);
  for (const [type, tensor] of [
    [MSGPACK, logits],
    [JSON_TYPE, label.map(() => [0, 0])],
  ] as const) {
    const { status, body } = await service.post({ label, logits: tensor }, { type });
    expect([status, body.code]).toEqual([413, 'body_too_large']);
    expect(body.detail).toContain('logits of shape (501, 2) have 1002 elements, this service evaluates at most 1000');
  }
});

describe('what is wrong with a head is a problem too', () => {
  test.each([
    [
      'too long',
      `GET /livez HTTP/1.1\r\nhost: localhost\r\nx-long: ${'x'.repeat(4000)}\r\n\r\n`,
      431,
      'headers_too_large',
    ],
    ['not HTTP', 'what is this\r\n\r\n', 400, 'bad_request'],
  ])('%s', async (_what, head, status, code) => {
    const answer = await exchange(service.url, [Buffer.from(head)]);
    expect(answer.status).toBe(status);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(JSON.parse(answer.body.toString())).toMatchObject({
      status,
      code,
      instance: expect.stringMatching(/^urn:/),
    });
  });
});

describe('when as much is under way and waits as the service lets', () => {
  let app: FastifyInstance;
  let url: string;
  let places: Place[];
  beforeAll(async () => {
    const config = {
      ...loadConfig({ LOSSMETER_STORE: ':memory:' }),
      port: 0,
      workers: 1,
      maxRequestsInFlight: 2,
      maxQueuedRequests: 1,
    };
    app = await buildApp({ config });
    await app.listen({ host: '127.0.0.1', port: 0 });
    url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
    places = [app.evaluator.admission.enter() as Place, app.evaluator.admission.enter() as Place];
  });
  afterAll(() => app.close());

  const post = (path = '/v1/cross-entropy'): Promise<Response> =>
    fetch(url + path, { method: 'POST', body: JSON.stringify(GOOD), headers: { 'content-type': JSON_TYPE } });

  test('one waits, the next is told to come again, and the probes answer', async () => {
    const waiting = post();
    while (app.evaluator.admission.queued === 0) await new Promise((resolve) => setImmediate(resolve));
    const refused = await post();
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
    expect(await refused.json()).toMatchObject({
      code: 'overloaded',
      detail: '2 evaluations are under way and 1 wait, the maximum of this service',
    });
    const inference = await post('/v2/models/cross_entropy/infer');
    expect([inference.status, ((await inference.json()) as { code: string }).code]).toEqual([429, 'overloaded']);
    expect((await fetch(`${url}/livez`)).status).toBe(200);
    places.pop()!.leave();
    expect((await waiting).status).toBe(200);
    places.push(app.evaluator.admission.enter() as Place);
  });

  test('what is said of a run takes no place of an evaluation', async () => {
    const body = JSON.stringify({ labels: { lr: '0.1' } });
    const answer = await fetch(`${url}/v1/runs/described`, {
      method: 'PUT',
      body,
      headers: { 'content-type': JSON_TYPE },
    });
    expect(answer.status).toBe(201);
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toMatch(/lossmeter_requests_in_flight 2\n/);
  });

  test('a large body that is refused is answered at once; its sender is held back, and then read to its end', async () => {
    const waiting = post();
    while (app.evaluator.admission.queued === 0) await new Promise((resolve) => setImmediate(resolve));
    const { port } = app.server.address() as AddressInfo;
    const length = 2 ** 26;
    const sockets = [0, 1, 2].map(() => connect(port, '127.0.0.1'));
    const answers = sockets.map((socket) => once(socket, 'data') as Promise<[Buffer]>);
    const sent = sockets.map((socket) => {
      socket.write(
        `POST /v1/cross-entropy HTTP/1.1\r\nhost: localhost\r\ncontent-type: ${MSGPACK}\r\ncontent-length: ${length}\r\n\r\n`,
      );
      return new Promise((resolve) => socket.write(new Uint8Array(length), resolve));
    });
    for (const [answer] of await Promise.all(answers)) expect(answer.toString()).toMatch(/^HTTP\/1.1 429 /);
    await Promise.all(sent);
    // The connection can be reused.
    for (const socket of sockets) {
      socket.write('GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n');
      const [answer] = (await once(socket, 'data')) as [Buffer];
      expect(answer.toString()).toMatch(/^HTTP\/1.1 200 /);
      socket.destroy();
    }
    places.pop()!.leave();
    expect((await waiting).status).toBe(200);
  });
});

describe('bodies of those who are refused', () => {
  const HEAD = 'POST /v1/nothing HTTP/1.1\r\nhost: localhost\r\ncontent-length: ';

  async function refused(bytes: number, send: (socket: Socket) => void): Promise<Socket> {
    const { hostname, port } = new URL(service.url);
    const socket = connect(Number(port), hostname);
    socket.write(`${HEAD}${bytes}\r\n\r\n`);
    send(socket);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1.1 404 /);
    return socket;
  }

  test('are read one after another, and a slow one does not keep the others', async () => {
    const slow = await refused(1000, (socket) => void socket.write('x'));
    const bytes = 2 ** 25;
    const others = await Promise.all(
      [0, 1, 2].map(async () => {
        let sent: Promise<unknown>;
        const socket = await refused(bytes, (socket) => {
          sent = new Promise((resolve) => socket.write(new Uint8Array(bytes), resolve));
        });
        await sent!;
        return socket;
      }),
    );
    expect(others.every((socket) => !socket.destroyed)).toBe(true);
    for (const socket of [slow, ...others]) socket.destroy();
  });
});
