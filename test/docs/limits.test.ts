/** Bounds on the contents of a body: each row of the table in docs/limits.md, at the bound and one above it. */
import { expect, test } from 'vitest';
import { loadConfig } from '../../src/environment.ts';
import { LossmeterError } from '../../src/errors.ts';
import { withHeader } from '../safetensors-file.ts';
import { encodeRequest, JSON_TYPE, MSGPACK, Service } from '../service.ts';
import { read, readTable } from './pages.ts';

const SAFETENSORS = 'application/vnd.safetensors';
const EVALUATE = '/v1/cross-entropy';
const INFER = '/v2/models/cross_entropy/infer';
const RUN = '/v1/runs/limits';
const BATCH = { logits: [[1, 2]], label: [0] };

const service = Service.shared();
const page = { path: 'docs/limits.md', text: read('docs/limits.md') };
const bounds = new Map(readTable(page, 'bound | value').map(([bound, value]) => [bound!, value!]));

interface Request {
  method?: string;
  body?: Uint8Array | string;
  type?: string;
  path?: string;
}

interface Case {
  bound: string;
  /** Index of the number to use when the cell has several. */
  nth?: number;
  code: string;
  /** Makes a request with this count. */
  of: (count: number) => Request;
}

const times = (count: number, entry: string): string => Array.from({ length: count }, () => entry).join();
const keyed = (count: number): Record<string, number> =>
  Object.fromEntries(Array.from({ length: count }, (_, k) => [`k${k}`, 0]));
const nested = (depth: number): unknown => (depth === 0 ? 0 : [nested(depth - 1)]);
const packed = (request: unknown): Request => ({ body: encodeRequest(request, MSGPACK), type: MSGPACK });
const filed = (header: string): Request => ({ body: withHeader(header), type: SAFETENSORS });
const inferred = (extra: object): Request => {
  const tensor = (name: string, datatype: string, shape: number[], data: number[]) => ({ name, datatype, shape, data });
  const inputs = [tensor('label', 'INT64', [1], [0]), tensor('logits', 'FP32', [1, 2], [1, 2])];
  return { body: JSON.stringify({ inputs, ...extra }), path: INFER };
};

// Bounds also count the values around the growing part: the body itself, `options` and `x`.
const CASES: Case[] = [
  { bound: 'JSON: arrays and objects', code: 'malformed_body', of: (n) => ({ body: `{"x":[${times(n - 2, '[]')}]}` }) },
  {
    bound: 'JSON: values outside of tensors',
    code: 'malformed_body',
    of: (n) => ({ body: `{"options":{"x":[${times(n - 3, '""')}]}}` }),
  },
  {
    bound: 'JSON: keys of an object',
    code: 'malformed_body',
    of: (n) => ({ body: JSON.stringify({ options: { x: keyed(n) } }) }),
  },
  { bound: 'MessagePack: keys of a map', code: 'body_too_large', of: (n) => packed({ options: keyed(n) }) },
  {
    bound: 'JSON: nesting',
    code: 'malformed_body',
    of: (n) => ({ body: JSON.stringify({ options: { x: nested(n - 2) } }) }),
  },
  {
    bound: 'MessagePack: items and pairs of a field, other than bytes',
    code: 'body_too_large',
    of: (n) => packed({ options: { x: Array.from({ length: n - 1 }, () => 0) } }),
  },
  {
    bound: 'MessagePack: items and pairs of a field, other than bytes',
    nth: 1,
    code: 'body_too_large',
    of: (n) => packed({ options: { x: keyed(n / 2), y: keyed(Math.ceil(n / 2) - 2) } }),
  },
  {
    bound: 'MessagePack: texts of a field, other than base64',
    code: 'body_too_large',
    of: (n) => packed({ options: { x: 'x'.repeat(n) } }),
  },
  {
    bound: 'MessagePack: texts of a field, other than base64',
    nth: 1,
    code: 'body_too_large',
    of: (n) => packed({ options: Object.fromEntries([n - 120_000, 60_000, 60_000].map((m, k) => [k, 'x'.repeat(m)])) }),
  },
  { bound: 'MessagePack: nesting', code: 'malformed_body', of: (n) => packed({ options: { x: nested(n - 2) } }) },
  { bound: 'header of a safetensors request', code: 'body_too_large', of: (n) => filed(`{${' '.repeat(n - 2)}}`) },
  {
    bound: 'header of a safetensors request',
    nth: 1,
    code: 'body_too_large',
    of: (n) => filed(JSON.stringify(Object.fromEntries(Object.keys(keyed(n)).map((name) => [name, {}])))),
  },
  {
    bound: 'header of a safetensors request',
    nth: 2,
    code: 'body_too_large',
    of: (n) => filed(`{"logits":{"shape":[${times(n + 1, '0')}]}}`),
  },
  {
    bound: 'JSON text in metadata or parameters',
    code: 'malformed_body',
    of: (n) => filed(JSON.stringify({ __metadata__: { options: `"${'x'.repeat(n - 2)}"` } })),
  },
  { bound: '`id` of an inference', code: 'malformed_body', of: (n) => inferred({ id: 'x'.repeat(n) }) },
  {
    bound: 'body that sets the labels of a run',
    code: 'body_too_large',
    of: (n) => ({ body: `{"labels":{"a":1}${' '.repeat(n - 18)}}`, path: RUN, method: 'PUT' }),
  },
  {
    bound: 'name of a run',
    code: 'bad_request',
    of: (n) => ({ method: 'PUT', path: `/v1/runs/${encodeURIComponent('é'.repeat(n))}`, body: '{}' }),
  },
  {
    bound: 'notes of a run',
    code: 'invalid_metadata',
    of: (n) => ({ method: 'PUT', path: RUN, body: JSON.stringify({ notes: 'é'.repeat(n) }) }),
  },
  {
    bound: 'tags of a run',
    code: 'invalid_metadata',
    of: (n) => ({ method: 'PUT', path: RUN, body: JSON.stringify({ tags: Object.keys(keyed(n)) }) }),
  },
  {
    bound: 'tag of a run',
    code: 'invalid_metadata',
    of: (n) => ({ method: 'PUT', path: RUN, body: JSON.stringify({ tags: ['é'.repeat(n)] }) }),
  },
  {
    bound: '`search` of the list of runs',
    code: 'bad_request',
    of: (n) => ({ method: 'GET', path: `/v1/runs?search=${'x'.repeat(n)}` }),
  },
  {
    bound: 'places of non-finite logits in an answer',
    code: 'invalid_option',
    of: (n) => ({ body: JSON.stringify({ ...BATCH, options: { max_locations: n } }) }),
  },
  {
    bound: 'sequences of a comparison of log-probabilities',
    code: 'body_too_large',
    of: (n) => ({ body: `{"old":[],"new":[],"segments":[${times(n, '0')}]}`, path: '/v1/logprobs/compare' }),
  },
  {
    bound: 'segments of a batch, and sequences that an answer lists',
    code: 'body_too_large',
    of: (n) => ({ body: JSON.stringify({ ...BATCH, segments: Array<number>(n).fill(0).with(0, 1) }) }),
  },
];

/** Rows about limits on the text of a refusal. */
const SHOWN = ['invalid options that an error lists', '`detail` of a problem', '`errors` of a problem'];

/** The numbers of a cell: `1 MiB, 4,096 keys`. */
function numbersOf(bound: string): number[] {
  const value = bounds.get(bound)!;
  if (value === '`LOSSMETER_MAX_JSON_DEPTH`') return [loadConfig({}).maxJsonDepth];
  const units = { KiB: 2 ** 10, MiB: 2 ** 20 };
  return [...value.matchAll(/(\d[\d,]*)(?: (KiB|MiB))?/g)].map(
    ([, digits, unit]) => Number(digits!.replace(/,$/, '').replaceAll(',', '')) * (units[unit as 'KiB'] ?? 1),
  );
}

/** Sends a request. @returns the answer; `code` for a problem, `error` for an error of the Open Inference Protocol */
async function send({ method = 'POST', body, type = JSON_TYPE, path = EVALUATE }: Request): Promise<{
  code?: string;
  error?: string;
}> {
  const headers = { 'content-type': type };
  const response = await fetch(service.url + path, {
    method,
    headers,
    body: (body ?? null) as NonNullable<RequestInit['body']> | null,
  });
  return (await response.json()) as { code?: string; error?: string };
}

test('every row of the table is tested', () => {
  expect(new Set([...CASES.map(({ bound }) => bound), ...SHOWN])).toEqual(new Set(bounds.keys()));
});

test.each(CASES)('$bound', async ({ bound, nth = 0, code, of }) => {
  const most = numbersOf(bound)[nth]!;
  expect(most).toBeGreaterThan(7);
  expect((await send(of(most))).code, `${most} are accepted`).not.toBe(code);
  expect((await send(of(most + 1))).code, `${most + 1} are refused`).toBe(code);
});

test('JSON text in parameters has the same bound', async () => {
  const [most = 0] = numbersOf('JSON text in metadata or parameters');
  const says = async (length: number): Promise<string> =>
    (await send(inferred({ parameters: { metrics: `["${'x'.repeat(length - 4)}"]` } }))).error!;
  expect(await says(most)).not.toContain(`at most ${most}`);
  expect(await says(most + 1)).toContain(`has ${most + 1} characters, expected at most ${most}`);
});

test('a refusal shows as much as the table says', async () => {
  const [[options = 0] = [], [detail = 0] = [], [places = 0] = []] = SHOWN.map(numbersOf);
  const { body } = await service.post({ ...BATCH, options: keyed(options + 3) });
  expect(body.errors).toHaveLength(options);
  expect(body.detail).toContain('; and 3 more');
  const error = new LossmeterError(
    'internal',
    'x'.repeat(detail + 1),
    Array.from({ length: places + 1 }, () => ({ pointer: '/x', detail: 'x' })),
  );
  expect(error.message).toHaveLength(detail);
  expect(error.places).toHaveLength(places);
});
