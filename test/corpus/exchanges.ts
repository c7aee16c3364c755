/**
 * 2,000 recorded requests with the answers of the service: every format, content encoding and kind of answer, and every
 * kind of mistake. Written by `node test/corpus/record.ts`, read by the replay.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { pack, unpack } from 'msgpackr';
import { buildApp } from '../../src/app.ts';
import type { HttpAnswer, HttpRequest } from '../http-client.ts';
import { testConfig } from '../service.ts';

/** Parts of an answer that must not change. Messages of problems may change. */
export type Kept =
  | { readonly status: number; readonly mediaType: string | undefined; readonly body: Uint8Array }
  | { readonly status: number; readonly code: string; readonly pointers: readonly string[] };

export interface Exchange {
  readonly request: HttpRequest;
  readonly kept: Kept;
}

const FILE = new URL('./exchanges.msgpack.zst', import.meta.url);

export function readExchanges(): Exchange[] {
  return unpack(zstdDecompressSync(readFileSync(FILE))) as Exchange[];
}

export function writeExchanges(exchanges: readonly Exchange[]): void {
  writeFileSync(FILE, zstdCompressSync(pack(exchanges)));
}

/** Starts a service with the settings of the recording. The strict kernels give the same bits on every machine. */
export function startService(): ReturnType<typeof buildApp> {
  return buildApp({ config: testConfig({ kernel: 'strict' }) });
}

/** Pattern of times of recordings. */
const TIMES = /"(?:created_at|updated_at|recorded_at)":"[^"]*"/g;

export function keptOf({ status, mediaType, body }: HttpAnswer, { path }: Pick<HttpRequest, 'path'>): Kept {
  if (status < 400) {
    const text = path.startsWith('/v1/runs') && mediaType === 'application/json';
    return { status, mediaType, body: text ? Buffer.from(body.toString().replaceAll(TIMES, '')) : body };
  }
  const problem = JSON.parse(body.toString()) as { code: string; errors?: { pointer: string }[] };
  return { status, code: problem.code, pointers: (problem.errors ?? []).map(({ pointer }) => pointer) };
}
