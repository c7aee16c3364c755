/** Sends recorded requests again, in pieces that a test chooses, and compares the answers. */
import { isDeepStrictEqual } from 'node:util';
import type { HttpAnswer, HttpRequest } from '../http-client.ts';
import { exchange } from '../raw-http.ts';
import { seededRandom } from '../rows.ts';
import { keptOf } from './exchanges.ts';
import type { Exchange } from './exchanges.ts';

/** Bytes of the longest body that is cut into single bytes: each piece takes a turn of the event loop. */
const MOST_SINGLE_BYTES = 700;

/** Number of requests that are sent at the same time. */
const AT_A_TIME = 16;

/** Cuts a body into pieces, which arrive one by one. */
type Cut = (body: Uint8Array) => Uint8Array[];

/** Way in which a body arrives. */
export interface Arrival {
  readonly cut: Cut;
  /** True for a body in chunked encoding, without Content-Length. */
  readonly isChunked?: boolean;
}

export const inOnePiece: Cut = (body) => [body];

export function inRandomPieces(): Cut {
  const random = seededRandom(23);
  return (body) => {
    const places = Array.from({ length: 1 + Math.floor(random() * 8) }, () => Math.floor(random() * body.byteLength));
    const ends = [...new Set([...places, body.byteLength])].toSorted((a, b) => a - b);
    return ends.map((end, k) => body.subarray(ends[k - 1] ?? 0, end));
  };
}

export const inSingleBytes: Cut = (body) =>
  body.byteLength > MOST_SINGLE_BYTES ? [body] : Array.from(body, (_, k) => body.subarray(k, k + 1));

/** @returns a line for each answer of the service at `url` that differs from the recorded one */
export async function replay(url: string, exchanges: readonly Exchange[], arrival: Arrival): Promise<string[]> {
  const differing: string[] = [];
  const compare = async (one: Exchange): Promise<void> => {
    const { request, kept } = one;
    const answer = await send(url, request, arrival);
    if (isDeepStrictEqual(keptOf(answer, request), kept)) return;
    const shown = `${answer.status} ${answer.body.toString('utf8', 0, 300)}`;
    const expected = 'code' in kept ? kept.code : Buffer.from(kept.body).toString('utf8', 0, 300);
    differing.push(`exchange ${exchanges.indexOf(one)}: ${shown}, expected ${kept.status} ${expected}`);
  };
  // Requests that change the history are sent in the recorded order.
  for (const one of exchanges.filter(isRecording)) await compare(one);
  const others = exchanges.filter((one) => !isRecording(one)).values();
  const sendOthers = async (): Promise<void> => {
    for (const one of others) await compare(one);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, sendOthers));
  return differing;
}

/** True for requests to the history, whose answers depend on earlier requests. */
export function isRecording({ request }: Pick<Exchange, 'request'>): boolean {
  return request.path.startsWith('/v1/runs');
}

export async function send(
  url: string,
  { method, path, headers, body = new Uint8Array() }: HttpRequest,
  { cut, isChunked = false }: Arrival,
): Promise<HttpAnswer> {
  const framing = isChunked ? { 'transfer-encoding': 'chunked' } : { 'content-length': String(body.byteLength) };
  const lines = Object.entries({ host: new URL(url).host, ...headers, ...framing });
  const head = [`${method} ${path} HTTP/1.1`, ...lines.map(([name, value]) => `${name}: ${value}`), '', ''];
  const pieces = cut(body).filter(({ byteLength }) => byteLength > 0);
  const answer = await exchange(url, [
    Buffer.from(head.join('\r\n'), 'latin1'),
    ...(isChunked ? [...pieces.map(chunkOf), Buffer.from('0\r\n\r\n')] : pieces),
  ]);
  const mediaType = answer.headers['content-type']?.split(';', 1)[0];
  return { status: answer.status, mediaType, body: answer.body };
}

function chunkOf(piece: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${piece.byteLength.toString(16)}\r\n`), piece, Buffer.from('\r\n')]);
}
