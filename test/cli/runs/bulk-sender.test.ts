import { afterEach, expect, test } from 'vitest';
import { BulkSender } from '../../../src/cli/runs/bulk-sender.ts';
import { RemoteService } from '../../../src/cli/runs/service.ts';
import type { Item } from '../../../src/import/item.ts';
import { ndjson } from '../../../src/import/ndjson.ts';
import type { Source } from '../../../src/import/sources.ts';
import { tensorboard } from '../../../src/import/tensorboard/tensorboard.ts';
import { AnsweringServer } from './answering-server.ts';

let server: AnsweringServer;
afterEach(() => server.close());

const source: Source = { path: 'a.jsonl', run: 'a/b', format: ndjson, rank: 0 };

/** Sends items, and records the requests. @param status status of the item of a step */
async function send(
  items: readonly Item[],
  status: (step: number) => object = () => ({ status: 201 }),
): Promise<{ sender: BulkSender; requests: Item[][] }> {
  const parse = (body: string) =>
    body
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Item);
  server = await AnsweringServer.start(({ body }) => ({
    status: 200,
    body: { results: parse(body).map(({ step }) => status(step)) },
  }));
  const sender = new BulkSender(new RemoteService({ url: server.url }), () => undefined);
  await sender.add(
    source,
    items.map((item, k) => ({ at: k + 1, item })),
  );
  await sender.flush();
  return { sender, requests: server.received.map(({ body }) => parse(body)) };
}

const steps = (count: number): Item[] =>
  Array.from({ length: count }, (_, step) => ({ step, numerator: 1, denominator: 1 }));

test('a request has at most 1,000 items, of one run', async () => {
  const { sender, requests } = await send(steps(2500));
  expect(requests.map(({ length }) => length)).toEqual([1000, 1000, 500]);
  expect(requests.flat()).toEqual(steps(2500));
  expect(server.received[0]).toMatchObject({
    method: 'POST',
    path: '/v1/runs/a%2Fb/batches',
    headers: { 'content-type': 'application/x-ndjson' },
  });
  expect([...sender.counts]).toEqual([
    ['a/b', { recorded: 2500, repeated: 0, superseded: 0, refused: 0, losses: 2500 }],
  ]);
});

test('a request has at most 10,000 scalars, an item 4,096, and a larger item is divided', async () => {
  const scalars = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, k) => [`s${k}`, k]));
  const { requests } = await send([
    { step: 1, attempt: 2, numerator: 3, denominator: 4, scalars: scalars(25_000) },
    { step: 2, scalars: scalars(6000) },
    { step: 3, scalars: scalars(1) },
  ]);
  const counts = requests.map((items) => items.map((item) => Object.keys(item.scalars!).length));
  expect(counts).toEqual([
    [4096, 4096],
    [4096, 4096],
    [4096, 4096, 424],
    [4096, 1904, 1],
  ]);
  const items = requests.flat();
  expect(items.filter(({ numerator }) => numerator !== undefined)).toEqual([items[0]]);
  expect(Object.assign({}, ...items.slice(0, 7).map(({ scalars }) => scalars))).toEqual(scalars(25_000));
});

test('a declared loss counts as a scalar of its request', async () => {
  const scalars = Object.fromEntries(Array.from({ length: 3999 }, (_, k) => [`s${k}`, k]));
  const items = [1, 2, 3].map((step) => ({ step, numerator: 1, denominator: 1, declared_loss: 1, scalars }));
  const { requests } = await send(items);
  expect(requests.map(({ length }) => length)).toEqual([2, 1]);
  const { requests: exact } = await send([{ step: 1, scalars: { ...scalars, last: 1 } }, ...items.slice(0, 1)]);
  expect(exact.map(({ length }) => length)).toEqual([2]);
});

test('a request has at most 512 KiB, and a larger item is refused', async () => {
  const large = (length: number): Item => ({ step: 1, device: 'x'.repeat(length) });
  const { sender, requests } = await send([large(3 * 2 ** 17), large(2 * 2 ** 17), large(5 * 2 ** 17)]);
  expect(requests.map(({ length }) => length)).toEqual([1, 1]);
  expect(sender.refusals).toMatchObject([{ place: 'a.jsonl:3', code: 'too_large' }]);
});

test('outcomes are counted, and refusals have their places', async () => {
  const outcomes = [
    { status: 201 },
    { status: 200 },
    { status: 409, code: 'conflict', detail: 'another batch is recorded' },
    { status: 422, code: 'rank_unexpected', detail: 'the run has fewer ranks' },
    { status: 409, code: 'superseded', detail: 'a later attempt holds' },
  ];
  const { sender } = await send(steps(5), (step) => outcomes[step]!);
  expect(sender.counts.get('a/b')).toEqual({ recorded: 1, repeated: 1, superseded: 1, refused: 2, losses: 5 });
  expect(sender.refused).toBe(2);
  expect(sender.refusals).toEqual([
    { place: 'a.jsonl:3', code: 'conflict', detail: 'another batch is recorded' },
    { place: 'a.jsonl:4', code: 'rank_unexpected', detail: 'the run has fewer ranks' },
  ]);
});

test('unreadable parts are refused without a request, notes are passed on', async () => {
  server = await AnsweringServer.start(() => undefined);
  const notes: string[] = [];
  const sender = new BulkSender(new RemoteService({ url: server.url }), (note) => notes.push(note));
  await sender.add({ ...source, path: 'events', format: tensorboard }, [
    { at: 40, refused: 'the CRC of the record is wrong' },
    { at: 80, note: 'the last record is incomplete' },
  ]);
  await sender.flush();
  expect(server.received).toEqual([]);
  expect(sender.refusals).toEqual([
    { place: 'events: offset 40', code: 'unreadable', detail: 'the CRC of the record is wrong' },
  ]);
  expect(notes).toEqual(['events: offset 80: the last record is incomplete']);
});
