import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { ServiceProcess } from '../e2e/process.ts';
import { readDocument } from '../openapi-document.ts';
import { exchange } from '../raw-http.ts';
import { RecordedReplies } from '../replies/record.ts';
import type { Reply } from '../replies/recordings.ts';
import { ReplyCheck } from '../replies/reply-check.ts';
import type { Document } from '../replies/reply-check.ts';
import { JSON_TYPE, MSGPACK, Service, encodeRequest } from '../service.ts';

const check = new ReplyCheck(readDocument() as Document);
const service = Service.start();

const BATCH = { logits: [[1, 2, 3]], label: [2], options: { outputs: ['lse', 'predictions'] } };

/** Makes a reply of the service in the form of a recorded one. */
async function evaluate(
  accept: string,
  request: object = BATCH,
  type = JSON_TYPE,
  url = '/v1/cross-entropy',
): Promise<Reply> {
  const headers = { 'content-type': type, accept };
  const body = encodeRequest(request, type) as NonNullable<RequestInit['body']>;
  const response = await fetch(service.url + url, { method: 'POST', headers, body });
  return {
    ...{ method: 'POST', url, status: response.status, headers: Object.fromEntries(response.headers) },
    body: Buffer.from(await response.arrayBuffer()),
  };
}

const asJson = ({ body }: Reply): Record<string, unknown> => JSON.parse(body!.toString()) as Record<string, unknown>;
const withBody = (reply: Reply, body: object): Reply => ({ ...reply, body: Buffer.from(JSON.stringify(body)) });

test.each(['application/json', MSGPACK, 'application/vnd.safetensors'])(
  'a reply of %s has no fault',
  async (accept) => {
    const reply = await evaluate(accept, { ...BATCH, logits: [['NaN', 1, 2]] });
    expect(reply.status).toBe(200);
    expect(check.faults(reply)).toEqual([]);
  },
);

test('an array of msgpack-numpy is the tensor that it stands for', async () => {
  const logits = { nd: true, type: '<f4', kind: '', shape: [1, 2], data: Buffer.alloc(8) };
  const reply = await evaluate(MSGPACK, { ...BATCH, label: [1], logits }, MSGPACK);
  expect(reply.body!.toString('latin1')).toContain('nd');
  expect(check.faults(reply)).toEqual([]);
});

test('a planted field is a fault, which names the operation, the status and the place in the schema', async () => {
  const reply = await evaluate(JSON_TYPE);
  expect(check.faults(withBody(reply, { ...asJson(reply), planted: 1 }))).toEqual([
    'POST /v1/cross-entropy → 200: the body at / must NOT have additional properties (#/additionalProperties, {"additionalProperty":"planted"})',
  ]);
  const { kernel: _kernel, ...others } = asJson(reply);
  expect(check.faults(withBody(reply, others))).toEqual([expect.stringContaining("property 'kernel'")]);
  expect(check.faults(withBody(reply, { ...asJson(reply), loss: 'many' }))).not.toEqual([]);
});

test('a planted status, media type, header and undeclared path are faults', async () => {
  const reply = await evaluate(JSON_TYPE);
  const { headers } = reply;
  expect(check.faults({ ...reply, status: 202 })).toEqual([
    'POST /v1/cross-entropy → 202: the document does not have this status',
  ]);
  expect(check.faults({ ...reply, headers: { ...headers, 'content-type': 'text/html' } })).toEqual([
    expect.stringContaining('the media type is text/html'),
  ]);
  expect(check.faults({ ...reply, body: reply.body!.subarray(1) })).toEqual([
    expect.stringContaining('the body is not application/json'),
  ]);
  expect(check.faults({ ...reply, url: '/v1/planted' })).toEqual([
    'POST /v1/planted → 200: the document does not have this operation',
  ]);
  const problem = await evaluate(JSON_TYPE, { logits: [] });
  expect(check.faults(problem)).toEqual([]);
  expect(check.faults({ ...problem, status: 429, headers: { ...problem.headers, 'retry-after': 'soon' } })).toEqual([
    expect.stringContaining('Retry-After'),
  ]);
});

test('a planted version number is a fault', async () => {
  const shard = { ...BATCH, options: {}, vocab_start: 0, vocab_size: 3 };
  const reply = await evaluate(JSON_TYPE, shard, JSON_TYPE, '/v1/cross-entropy/partials');
  expect(check.faults(reply)).toEqual([]);
  const { lossmeter_partial: version, ...others } = asJson(reply);
  const planted = withBody(reply, { ...others, lossmeter_partial: Number(version) + 1 });
  expect(check.faults(planted)).toEqual([expect.stringContaining('/lossmeter_partial must be <=')]);
  const inference = {
    ...reply,
    url: '/v2/models/cross_entropy/infer',
    body: Buffer.from(JSON.stringify({ model_name: 'cross_entropy', model_version: '2' })),
  };
  expect(check.faults(inference)).toContainEqual(expect.stringContaining('/model_version must be equal to'));
});

test('a bin of the wrong length is a fault', async () => {
  const reply = await evaluate(MSGPACK);
  const body = Buffer.from(reply.body!.toString('latin1').replace('float64', 'float32'), 'latin1');
  expect(check.faults({ ...reply, body })).toEqual([expect.stringContaining('has 8 bytes')]);
});

/** Runs in the process of a service. Plants a wrong field, a wrong status and a wrong reply to CONNECT. */
const PLANTED = `
import diagnostics from 'node:diagnostics_channel';
diagnostics.subscribe('fastify.initialization', ({ fastify }) => {
  fastify.addHook('onSend', async (request, reply, payload) => {
    if (request.url === '/livez') reply.code(203);
    return request.url === '/v1/info' ? payload.replace('{', '{"planted":1,') : payload;
  });
  fastify.server.on('connect', (request, socket) => socket.end('HTTP/1.1 501 No\\r\\n\\r\\n'));
});`;

test('the replies of another process are recorded and compared, however it ends', async () => {
  const replies = new RecordedReplies();
  const { NODE_OPTIONS, ...environment } = replies.environment;
  const plant = `--import=data:text/javascript,${encodeURIComponent(PLANTED)}`;
  const planted = await ServiceProcess.start({ ...environment, NODE_OPTIONS: `${NODE_OPTIONS} ${plant}` });
  for (const path of ['/v1/info', '/livez', '/readyz', '/nowhere']) await (await fetch(planted.url + path)).text();
  expect((await exchange(planted.url, [Buffer.from('no HTTP\r\n\r\n')])).status).toBe(400);
  await exchange(planted.url, [Buffer.from('CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n')]);
  await planted.end('SIGKILL');
  const told = [
    'GET /v1/info → 200: the body at / must NOT have additional properties (#/additionalProperties, {"additionalProperty":"planted"})',
    'GET /livez → 203: the document does not have this status',
    '(no method) (no path) → 501: the media type is undefined, the document has application/problem+json',
  ];
  expect(() => replies.end()).toThrow(`replies differ from openapi/openapi.json:\n${told.join('\n')}`);
  expect(replies.count).toBe(6);
});

test('where nothing can be preloaded, replies are recorded as fetch gets them', async () => {
  const replies = new RecordedReplies();
  const recorder = fileURLToPath(new URL('../replies/client-recorder.cjs', import.meta.url));
  const get = `for (const path of ['/livez', '/planted']) await (await fetch('${service.url}' + path)).text();
    await (await fetch('data:text/plain,1')).text();`;
  const args = ['--require', recorder, '--input-type=module', '--eval', get];
  const env = { ...process.env, RECORDED_REPLIES: replies.environment.RECORDED_REPLIES, NODE_OPTIONS: '' };
  await promisify(execFile)(process.execPath, args, { env });
  replies.end();
  expect(replies.count).toBe(2);
});
