/** How a body arrives chooses neither the answer nor the error; and both are what they were when they were recorded. */
import type { AddressInfo } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { HttpAnswer, HttpRequest } from '../http-client.ts';
import { exchange } from '../raw-http.ts';
import { seededRandom } from '../rows.ts';
import { keptOf, readExchanges, startService } from './exchanges.ts';
import type { Exchange } from './exchanges.ts';

/** Longer bodies are not cut into single bytes: each takes a turn of the event loop. */
const MOST_SINGLE_BYTES = 700;

/** Requests that are sent at a time. */
const AT_A_TIME = 16;

let app: Awaited<ReturnType<typeof startService>>;
beforeEach(async () => {
  app = await startService();
  await app.listen({ host: '127.0.0.1', port: 0 });
});
afterEach(() => app.close());

/** Pieces of a body, which arrive one by one. */
type Cut = (body: Uint8Array) => Uint8Array[];

async function send(
  { method, path, headers, body = new Uint8Array() }: HttpRequest,
  cut: Cut,
  isChunked: boolean,
): Promise<HttpAnswer> {
  const { port } = app.server.address() as AddressInfo;
  const framing = isChunked ? { 'transfer-encoding': 'chunked' } : { 'content-length': String(body.byteLength) };
  const lines = Object.entries({ host: `127.0.0.1:${port}`, ...headers, ...framing });
  const head = [`${method} ${path} HTTP/1.1`, ...lines.map(([name, value]) => `${name}: ${value}`), '', ''];
  const pieces = cut(body).filter(({ byteLength }) => byteLength > 0);
  const answer = await exchange(`http://127.0.0.1:${port}`, [
    Buffer.from(head.join('\r\n'), 'latin1'),
    ...(isChunked ? [...pieces.map(chunkOf), Buffer.from('0\r\n\r\n')] : pieces),
  ]);
  const mediaType = answer.headers['content-type']?.split(';', 1)[0];
  return { status: answer.status, mediaType, body: answer.body };
}

function chunkOf(piece: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${piece.byteLength.toString(16)}\r\n`), piece, Buffer.from('\r\n')]);
}

/** @returns a line for each answer that is not what was recorded */
async function replay(cut: Cut, { isChunked = false } = {}): Promise<string[]> {
  const exchanges = readExchanges();
  const differing: string[] = [];
  const compare = async (one: Exchange): Promise<void> => {
    const { request, kept } = one;
    const answer = await send(request, cut, isChunked);
    if (isDeepStrictEqual(keptOf(answer, request), kept)) return;
    const shown = `${answer.status} ${answer.body.toString('utf8', 0, 300)}`;
    const expected = 'code' in kept ? kept.code : Buffer.from(kept.body).toString('utf8', 0, 300);
    differing.push(`exchange ${exchanges.indexOf(one)}: ${shown}, expected ${kept.status} ${expected}`);
  };
  // What records something comes in the order in which it was recorded.
  const isRecording = ({ request }: Exchange): boolean => request.path.startsWith('/v1/runs');
  for (const one of exchanges.filter(isRecording)) await compare(one);
  const others = exchanges.filter((one) => !isRecording(one)).values();
  const sendOthers = async (): Promise<void> => {
    for (const one of others) await compare(one);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, sendOthers));
  return differing;
}

function inRandomPieces(): Cut {
  const random = seededRandom(23);
  return (body) => {
    const places = Array.from({ length: 1 + Math.floor(random() * 8) }, () => Math.floor(random() * body.byteLength));
    const ends = [...new Set([...places, body.byteLength])].toSorted((a, b) => a - b);
    return ends.map((end, k) => body.subarray(ends[k - 1] ?? 0, end));
  };
}

const inSingleBytes: Cut = (body) =>
  body.byteLength > MOST_SINGLE_BYTES ? [body] : Array.from(body, (_, k) => body.subarray(k, k + 1));

test('whole', async () => {
  expect(await replay((body) => [body])).toEqual([]);
});

test('in pieces of random length', async () => {
  expect(await replay(inRandomPieces())).toEqual([]);
});

test('in chunks, without an announced length', async () => {
  expect(await replay(inRandomPieces(), { isChunked: true })).toEqual([]);
});

test('byte by byte', { timeout: 120_000 }, async () => {
  expect(await replay(inSingleBytes)).toEqual([]);
});
