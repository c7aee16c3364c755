/** Replays recorded requests of tritonclient and KServe's client. record.py beside the recordings made them. */
import { readFileSync, readdirSync } from 'node:fs';
import { gunzipSync, inflateSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { readInferenceAnswer } from '../open-inference.ts';
import { exchange } from '../raw-http.ts';
import type { RawAnswer } from '../raw-http.ts';
import { nll } from '../reference.ts';
import { Service } from '../service.ts';

const service = Service.shared();

const FOLDER = new URL('../fixtures/tritonclient/', import.meta.url);
const INDEX = 'repository-index.http';

const recordings = readdirSync(FOLDER).filter((name) => name.endsWith('.http'));
const { logits, label } = JSON.parse(readFileSync(new URL('batch.json', FOLDER), 'utf8')) as {
  logits: number[][];
  label: number[];
};
/** Expected loss. The mask excludes the last row. */
const LOSS = [0, 1, 2].reduce((sum, row) => sum + nll(logits[row]!, label[row]!) / 3, 0);

const send = (name: string): Promise<RawAnswer> => exchange(service.url, [readFileSync(new URL(name, FOLDER))]);

function decoded({ headers, body }: RawAnswer): Buffer {
  if (headers['content-encoding'] === 'gzip') return gunzipSync(body);
  return headers['content-encoding'] === 'deflate' ? inflateSync(body) : body;
}

test('the recordings are there', () => {
  expect(recordings.length).toBeGreaterThan(12);
});

test.each(recordings.filter((name) => name !== INDEX))('%s is answered with the loss', async (name) => {
  const answer = await send(name);
  expect(answer.status).toBe(200);
  const jsonBytes = answer.headers['inference-header-content-length'];
  const { values, outputs } = readInferenceAnswer(
    decoded(answer),
    jsonBytes === undefined ? undefined : Number(jsonBytes),
  );
  expect(values['loss']![0]).toBeCloseTo(LOSS, 6);
  expect(outputs.some(({ parameters }) => parameters !== undefined)).toBe(jsonBytes !== undefined);
});

test.each([
  ['fp32.http', undefined],
  ['gzip.http', 'gzip'],
  ['deflate.http', 'deflate'],
  // aiohttp and httpx request gzip by default.
  ['aio.http', 'gzip'],
  ['kserve-json.http', 'gzip'],
])('%s is answered with the content encoding %s', async (name, encoding) => {
  expect((await send(name)).headers['content-encoding']).toBe(encoding);
});

test('the repository’s index is answered', async () => {
  const { status, body } = await send(INDEX);
  expect([status, JSON.parse(body.toString())]).toEqual([
    200,
    ['cross_entropy', 'kl_divergence'].map((name) => ({ name, version: '1', state: 'READY', reason: '' })),
  ]);
});
