import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { newFolder, writeKeyOfEachScope } from '../keys.ts';
import { exchange } from '../raw-http.ts';
import { Service } from '../service.ts';

const folder = newFolder();
afterAll(() => rmSync(folder, { recursive: true }));
const apiKeysFile = join(folder, 'keys.json');
const keys = writeKeyOfEachScope(apiKeysFile);

const DASH = 'https://dash.example.org';
const HOST = 'localhost:8080';

const closed = Service.start();
const some = Service.start({ corsOrigins: DASH });
const any = Service.start({ corsOrigins: '*' });
const keyed = Service.start({ apiKeysFile });

const BODY = '{"logits":[[1,2]],"label":[0]}';

/** Sends a request as a page can without a preflight. @returns the status, and the code of a refusal */
async function send(service: Service, request: string, headers: Record<string, string>): Promise<[number, unknown]> {
  const all = { host: HOST, 'content-type': 'application/json', 'content-length': String(BODY.length), ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  const { status, body } = await exchange(service.url, [
    Buffer.from(`${request} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${BODY}`),
  ]);
  return [status, (JSON.parse(body.toString()) as { code?: string }).code];
}

const EVALUATE = 'POST /v1/cross-entropy';
const REFUSED = [403, 'origin_not_allowed'];
const EVALUATED = [200, undefined];

test.each<[headers: Record<string, string>]>([
  [{}],
  [{ origin: `http://${HOST}` }],
  [{ origin: `http://${HOST.toUpperCase()}` }],
  [{ origin: 'http://localhost', host: 'localhost:80' }],
  [{ origin: 'https://localhost', host: 'localhost:443' }],
  // A proxy may have changed the Host header.
  [{ origin: 'https://dash.example.org', 'sec-fetch-site': 'same-origin' }],
  [{ 'sec-fetch-site': 'none' }],
])('%j is of no other origin', async (headers) => {
  expect(await send(closed, EVALUATE, headers)).toEqual(EVALUATED);
});

const FOREIGN: Record<string, string>[] = [
  { origin: DASH },
  { origin: 'http://localhost:8081' },
  { origin: 'http://127.0.0.1:8080' },
  { origin: 'null' },
  { origin: '' },
  { origin: DASH, 'sec-fetch-site': 'cross-site' },
  { origin: 'http://localhost:8081', 'sec-fetch-site': 'same-site' },
  { 'sec-fetch-site': 'cross-site' },
];

test.each(FOREIGN)('%j is of another origin, and refused', async (headers) => {
  const changing = [
    ...[EVALUATE, 'POST /v1/diagnose', 'POST /v1/cross-entropy/partials', 'POST /v1/cross-entropy/combine'],
    ...['POST /v2/models/cross_entropy/infer', 'PUT /v1/runs/r', 'PUT /v1/runs/r/steps/1/ranks/0', 'DELETE /v1/runs/r'],
  ];
  for (const request of changing) expect(await send(closed, request, headers), request).toEqual(REFUSED);
});

test('what reads is answered, and kept from the page by its browser', async () => {
  for (const headers of FOREIGN) expect((await send(closed, 'GET /v1/info', headers))[0]).toBe(200);
});

test('an origin that CORS allows is answered, and no other', async () => {
  const headers = { origin: DASH, 'sec-fetch-site': 'cross-site' };
  expect(await send(some, EVALUATE, headers)).toEqual(EVALUATED);
  expect(await send(some, EVALUATE, { ...headers, origin: 'https://evil.example' })).toEqual(REFUSED);
  for (const each of FOREIGN) expect(await send(any, EVALUATE, each)).toEqual(EVALUATED);
});

test('a key does not make a page of another origin one of the service', async () => {
  const authorization = `Bearer ${keys.evaluate}`;
  expect(await send(keyed, EVALUATE, { authorization, host: 'gpu-1.example.org' })).toEqual(EVALUATED);
  expect(await send(keyed, EVALUATE, { authorization, origin: DASH })).toEqual(REFUSED);
  const proxied = { authorization, origin: DASH, host: 'upstream:8080', 'sec-fetch-site': 'same-origin' };
  expect(await send(keyed, EVALUATE, proxied)).toEqual(EVALUATED);
});
