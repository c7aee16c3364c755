import { expect, test } from 'vitest';
import { pack } from 'msgpackr';
import { gzipSync } from 'node:zlib';
import { MOST_BULK_BYTES, MOST_ITEMS, MOST_SCALARS_OF_ALL } from '../../src/contract/bulk.ts';
import { Service } from '../service.ts';

const service = Service.start();
const LINES = 'application/x-ndjson';

async function send(run: string, body: string | Uint8Array, type: string, headers: Record<string, string> = {}) {
  const response = await fetch(`${service.url}/v1/runs/${run}/batches`, {
    method: 'POST',
    headers: { 'content-type': type, ...headers },
    body: body as NonNullable<RequestInit['body']>,
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

const sendItems = (run: string, items: readonly unknown[]) => send(run, JSON.stringify(items), 'application/json');

async function read(path: string): Promise<Record<string, unknown>> {
  return (await (await fetch(service.url + path)).json()) as Record<string, unknown>;
}

const ITEMS = [
  { step: 1, numerator: 4, denominator: 2, scalars: { lr: 0.5, 'grad_norm/a b': 'NaN' }, device: 'gpu:0' },
  { step: 1, rank: 1, numerator: 8, denominator: 2, declared_loss: 3 },
  { step: 2, numerator: 'Infinity', denominator: 1 },
  { step: 3, scalars: { lr: 0.25 } },
];

test('lines, an array of JSON and one of MessagePack are recorded alike, compressed or not, and once', async () => {
  const native = ITEMS.map((item) => JSON.parse(JSON.stringify(item), (_, v: unknown) => wordToNumber(v)) as object);
  const bodies: [string, string | Uint8Array, string, Record<string, string>?][] = [
    ['lines', `${ITEMS.map((item) => JSON.stringify(item)).join('\n')}\n\n`, LINES],
    ['crlf', ITEMS.map((item) => JSON.stringify(item)).join('\r\n'), 'application/jsonl'],
    ['python', ITEMS.map((item) => JSON.stringify(item).replaceAll(/"(NaN|Infinity)"/g, '$1')).join('\n'), LINES],
    ['json', JSON.stringify(ITEMS), 'application/json'],
    ['msgpack', pack(native), 'application/vnd.msgpack'],
    ['gzip', gzipSync(JSON.stringify(ITEMS)), 'application/json', { 'content-encoding': 'gzip' }],
  ];
  const created = { results: ITEMS.map(() => ({ status: 201 })) };
  const repeated = { results: ITEMS.map(() => ({ status: 200 })) };
  for (const [run, body, type, headers] of bodies) {
    expect(await send(run, body, type, headers), run).toEqual({ status: 200, body: created });
    expect(await send(run, body, type, headers), run).toEqual({ status: 200, body: repeated });
    const { steps } = (await read(`/v1/runs/${run}/steps`)) as { steps: object[] };
    expect(steps, run).toMatchObject([
      { step: 1, loss: 3, ranks: 2 },
      { step: 2, loss: 'Infinity', non_finite: true },
    ]);
    expect(await read(`/v1/runs/${run}/scalars`), run).toEqual({
      scalars: [
        { name: 'declared_loss', points: 1, last_step: 1, last_value: 3 },
        { name: 'grad_norm/a b', points: 1, last_step: 1, last_value: 'NaN' },
        { name: 'lr', points: 2, last_step: 3, last_value: 0.25 },
      ],
    });
    expect(await read(`/v1/runs/${run}/scalars/grad_norm%2Fa%20b`), run).toEqual({
      points: [{ step: 1, attempt: 0, value: 'NaN', ranks: 1, non_finite: true, spike: false }],
    });
  }
});

const wordToNumber = (value: unknown): unknown =>
  value === 'NaN' || value === 'Infinity' || value === '-Infinity' ? Number(value) : value;

test('every scalar of a large body is recorded, whatever the format', async () => {
  const scalars = Object.fromEntries(Array.from({ length: 3000 }, (_, k) => [`${'x'.repeat(100)}/${k}`, k]));
  const item = { step: 1, numerator: 1, denominator: 1, scalars };
  const { step, ...pair } = item;
  await send('many-lines', JSON.stringify(item), LINES);
  await send('many-json', JSON.stringify([item]), 'application/json');
  await send('many-msgpack', pack([item]), 'application/vnd.msgpack');
  const put = await fetch(`${service.url}/v1/runs/many-pair/steps/${step}/ranks/0`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(pair),
  });
  expect(put.status).toBe(201);
  for (const run of ['many-lines', 'many-json', 'many-msgpack', 'many-pair']) {
    const { scalars: found } = (await read(`/v1/runs/${run}/scalars`)) as { scalars: { name: string }[] };
    expect(found.map(({ name }) => name).toSorted(), run).toEqual(Object.keys(scalars).toSorted());
  }
});

test('an item that is not valid is refused by itself, with its reason', async () => {
  const invalid: [unknown, string, RegExp][] = [
    [7, 'invalid_item', /the item is 7, expected an object/],
    [{}, 'missing_field', /the field step is missing/],
    [{ step: -1, scalars: { a: 1 } }, 'invalid_item', /step is -1, expected an integer from 0 to/],
    [{ step: 1.5, scalars: { a: 1 } }, 'invalid_item', /step is 1.5/],
    [{ step: 1, rank: 2 ** 20, scalars: { a: 1 } }, 'invalid_item', /rank is 1048576/],
    [{ step: 1, attempt: '1', scalars: { a: 1 } }, 'invalid_item', /attempt is "1"/],
    [{ step: 1 }, 'invalid_item', /neither numerator and denominator nor scalars/],
    [{ step: 1, numerator: 1 }, 'missing_field', /denominator is missing/],
    [{ step: 1, numerator: 1, denominator: -1 }, 'invalid_pair', /denominator is -1/],
    [{ step: 1, numerator: 'x', denominator: 1 }, 'invalid_pair', /numerator is "x"/],
    [{ step: 1, numerater: 1 }, 'unknown_field', /did you mean numerator/],
    [{ step: 1, scalars: [1] }, 'invalid_item', /scalars is .*expected an object of numbers/],
    [{ step: 1, scalars: { a: 'b' } }, 'invalid_item', /"a" is "b", expected a number/],
    [{ step: 1, scalars: { a: null } }, 'invalid_item', /"a" is null/],
    [{ step: 1, scalars: { '': 1 } }, 'invalid_item', /1 to 256 characters/],
    [{ step: 1, scalars: { 'a\nb': 1 } }, 'invalid_item', /control character/],
    [{ step: 1, scalars: { ['x'.repeat(257)]: 1 } }, 'invalid_item', /1 to 256 characters/],
    [{ step: 1, scalars: { declared_loss: 1 }, declared_loss: 1 }, 'invalid_item', /expected one of them/],
    [{ step: 1, device: 'a', scalars: { a: 1 } }, 'invalid_item', /device is given without numerator/],
    [{ step: 1, device: 7, numerator: 1, denominator: 1 }, 'invalid_item', /device is 7/],
    [{ step: 1, logits: [[1]], label: [0] }, 'unknown_field', /"logits" is not a field of an item/],
  ];
  const good = { step: 1, scalars: { good: 1 } };
  const { status, body } = await sendItems('invalid', [...invalid.map(([item]) => item), good]);
  expect(status).toBe(200);
  const { results } = body as { results: { status: number; code?: string; detail?: string }[] };
  expect(results.at(-1)).toEqual({ status: 201 });
  for (const [k, [item, code, detail]] of invalid.entries()) {
    expect(results[k], JSON.stringify(item)).toEqual({ status: 422, code, detail: expect.stringMatching(detail) });
  }
  expect(await read('/v1/runs/invalid')).toMatchObject({ batches: 0, steps: 0 });
});

test('conflicts, later attempts and unexpected ranks are results of their items', async () => {
  const headers = { 'content-type': 'application/json' };
  await fetch(`${service.url}/v1/runs/mixed`, { method: 'PUT', headers, body: '{"expected_ranks": 2}' });
  const { body } = await sendItems('mixed', [
    { step: 5, attempt: 1, scalars: { a: 1 } },
    { step: 6, attempt: 0, scalars: { a: 1 } },
    { step: 5, attempt: 1, scalars: { a: 2 } },
    { step: 5, rank: 2, attempt: 1, scalars: { a: 2 } },
    { step: 4, scalars: { a: 1 } },
  ]);
  expect((body as { results: { code?: string; status: number }[] }).results.map((r) => [r.status, r.code])).toEqual([
    [201, undefined],
    [409, 'superseded'],
    [409, 'conflict'],
    [422, 'rank_unexpected'],
    [201, undefined],
  ]);
  expect(await read('/v1/runs/mixed/attempts')).toEqual({
    attempts: [
      { attempt: 0, first_step: 4, superseded_from: 5 },
      { attempt: 1, first_step: 5 },
    ],
  });
});

test('a body that is no list of items, or too long, is refused as a whole', async () => {
  const many = (count: number, scalars: number) =>
    Array.from({ length: count }, (_, step) => ({
      step,
      scalars: Object.fromEntries(Array.from({ length: scalars }, (_unused, k) => [`s${k}`, k])),
    }));
  const each = MOST_SCALARS_OF_ALL / 10;
  const refused: [string | Uint8Array, string, number, RegExp][] = [
    ['{"step": 1}', 'application/json', 400, /expected an array/],
    ['{"step": 1}\n{"step"', LINES, 400, /line 2/],
    ['[1', 'application/json', 400, /./],
    ['[]', 'text/plain', 415, /application\/x-ndjson/],
    [JSON.stringify(many(MOST_ITEMS + 1, 1)), 'application/json', 400, /has 1001 items, expected at most 1000/],
    [JSON.stringify(many(11, each)), 'application/json', 400, /11000 scalars, expected at most 10000/],
    [new Uint8Array(MOST_BULK_BYTES + 1).fill(0x20), LINES, 413, /524288 bytes/],
  ];
  for (const [body, type, status, detail] of refused) {
    const answer = await send('refused', body, type);
    expect([answer.status, answer.body['detail']]).toEqual([status, expect.stringMatching(detail)]);
  }
  expect((await fetch(`${service.url}/v1/runs/refused`)).status).toBe(404);
  // Requests at the bounds are accepted, and so is an empty list.
  expect((await sendItems('full', many(MOST_ITEMS, 1))).status).toBe(200);
  expect((await sendItems('full', many(10, each))).status).toBe(200);
  expect(await sendItems('empty', [])).toEqual({ status: 200, body: { results: [] } });
});

test('a batch with logits takes scalars, its device and the declared loss too', async () => {
  const batch = { logits: [[1, 2, 3]], label: [2], scalars: { lr: 1 }, device: 'gpu:1', declared_loss: 0.5 };
  const put = (body: object) =>
    fetch(`${service.url}/v1/runs/logits/steps/1/ranks/0`, {
      ...{ method: 'PUT', headers: { 'content-type': 'application/json' } },
      body: JSON.stringify(body),
    });
  expect((await put(batch)).status).toBe(201);
  expect((await put(batch)).status).toBe(200);
  expect((await put({ ...batch, scalars: { lr: 2 } })).status).toBe(409);
  expect((await put({ ...batch, scalars: { lr: 'x' } })).status).toBe(422);
  expect(await read('/v1/runs/logits/scalars/declared_loss')).toMatchObject({ points: [{ step: 1, value: 0.5 }] });
  const text = await (await fetch(`${service.url}/v1/runs/logits/export?of=scalars&format=jsonl`)).text();
  expect(
    text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object),
  ).toEqual([
    { attempt: 0, step: 1, rank: 0, name: 'lr', value: 1 },
    { attempt: 0, step: 1, rank: 0, name: 'declared_loss', value: 0.5 },
  ]);
});
