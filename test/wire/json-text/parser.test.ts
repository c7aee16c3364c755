import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { numbersOf } from '../../../src/tensor/tensor.ts';
import type { Tensor } from '../../../src/tensor/tensor.ts';
import { HeldBytes } from '../../../src/wire/body/held-bytes.ts';
import { JsonParser } from '../../../src/wire/json-text/parser.ts';
import { shareOf } from '../../lists.ts';
import { TIMED } from '../../timed.ts';

const jsonParser = new JsonParser(64);
afterAll(() => jsonParser.close());
const fields = ['logits', 'label', 'options', 'partials', 'inputs'];
const parser = {
  parse: async (text: Uint8Array) => jsonParser.parse({ text, fields }, new HeldBytes(2 ** 30).open()),
};

const bytesOf = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

/** List whose text is too large to be parsed in place. */
const many = Array.from({ length: 200_000 }, (_, k) => k / 8);

test('a small text is read as it is', async () => {
  const value = { logits: [[1, 2.5]], options: { reduction: 'sum' } };
  expect(await parser.parse(bytesOf(value))).toEqual(value);
});

test('the tensors of a large text come as bytes, everything else as it is', async () => {
  const value = {
    logits: [many, many],
    label: { dtype: 'int64', data: [1, 2] },
    options: { outputs: ['lse'] },
    partials: [{ columns: { lse: { dtype: 'float64', shape: [2], data: ['NaN', '-Infinity'] } } }],
  };
  const parsed = (await parser.parse(bytesOf(value))) as {
    logits: Tensor;
    label: Tensor;
    options: unknown;
    partials: { columns: { lse: Tensor } }[];
  };
  expect(parsed.logits).toMatchObject({ dtype: 'float32', shape: [2, many.length] });
  expect(Array.from(numbersOf(parsed.logits).slice(0, 3))).toEqual([0, 0.125, 0.25]);
  expect(numbersOf(parsed.label)).toEqual(Float64Array.of(1, 2));
  expect(numbersOf(parsed.partials[0]!.columns.lse)).toEqual(Float64Array.of(Number.NaN, -Infinity));
  expect(parsed.options).toEqual(value.options);
});

test('a large text with the bare tokens of Python’s json is read', async () => {
  const text = `{"label":[0],"logits":[[NaN,-Infinity,"Infinity",${many.join(',')}]]}`;
  const parsed = (await parser.parse(Buffer.from(text))) as { logits: Tensor };
  expect(Array.from(numbersOf(parsed.logits)).slice(0, 3)).toEqual([Number.NaN, -Infinity, Infinity]);
});

test('a refusal is the same from a small text and from a large one', async () => {
  const broken = (length: number): Uint8Array => Buffer.from(`{"logits": [${many.slice(0, length).join(',')},]}`);
  for (const length of [10, many.length]) {
    await expect(parser.parse(broken(length))).rejects.toMatchObject({ code: 'malformed_body' });
  }
  const ragged = bytesOf({ logits: [many, many.slice(1)] });
  await expect(parser.parse(ragged)).rejects.toMatchObject({
    code: 'invalid_tensor',
    places: [{ pointer: '/logits' }],
  });
});

test('other work goes on while a large text is read', async () => {
  const copies = shareOf(20, 4);
  const text = bytesOf({ logits: Array.from({ length: copies }, () => many) });
  const parsed = new AbortController();
  const parsing = parser.parse(text).finally(() => parsed.abort());
  let turns = 0;
  while (!parsed.signal.aborted) {
    await nextTurn();
    turns++;
  }
  await parsing;
  // Parsing in place would take a single turn.
  expect(turns).toBeGreaterThan(5 * copies);
});

/** Milliseconds that an action takes; the minimum of three. */
async function time(action: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let k = 0; k < 3; k++) {
    const started = performance.now();
    await action().catch(() => undefined);
    times.push(performance.now() - started);
  }
  return Math.min(...times);
}

test.each([
  ['a string that does not end', (n: number) => `"${'\\"'.repeat(n)}`],
  ['base64 of nothing but padding', (n: number) => JSON.stringify({ label: { data: `${'='.repeat(n)}A` } })],
])('%s is refused in a time that grows with its length, not with its square', TIMED, async (_name, textOf) => {
  const [short, long] = [textOf(20_000), textOf(100_000)].map((text) => Buffer.from(text));
  const before = await time(() => parser.parse(short!));
  // In quadratic time, five times the text would take 25 times as long. The constant is for other work of the machine.
  expect(await time(() => parser.parse(long!))).toBeLessThan(12 * before + 50);
});

test('what is no field of a request is not walked, and refused by the one who knows its name', async () => {
  expect(await parser.parse(bytesOf({ targets: [many, many], logits: [[1]] }))).toMatchObject({ targets: null });
});

test.each([
  ['too many values', { options: [many, many] }, 'more than 262144 values'],
  ['too deep', { options: { a: nested(100) }, logits: [many] }, 'nested deeper than 64 levels'],
  ['too many arrays', { logits: Array.from({ length: 2 ** 20 }, () => [1]) }, 'more than 1048576 arrays and objects'],
  ['too many tensors', { partials: many.map(() => ({ dtype: 'bool', shape: [0], data: '' })) }, 'more than 262144'],
])('a large text with %s outside of its tensors is refused', async (_name, value, says) => {
  await expect(parser.parse(bytesOf(value))).rejects.toMatchObject({
    code: 'malformed_body',
    message: expect.stringContaining(says) as string,
  });
});

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let k = 0; k < depth; k++) value = [value];
  return value;
}

test('a large text of a client that left is not read', async () => {
  const parsing = jsonParser.parse(
    { text: bytesOf({ logits: many }), fields },
    new HeldBytes(2 ** 30).open(),
    () => true,
  );
  await expect(parsing).rejects.toMatchObject({ code: 'client_closed' });
});

test('an input of the Open Inference Protocol keeps its known keys, and few of many unknown ones', async () => {
  const unknown = Object.fromEntries(Array.from({ length: 20_000 }, (_, k) => [`unknown ${k}`, 0]));
  const known = { name: 'label', shape: [1], datatype: 'INT64', data: [1] };
  const request = { inputs: [{ ...unknown, ...known, parameters: unknown }] };
  const parsed = (await parser.parse(bytesOf(request))) as { inputs: Record<string, unknown>[] };
  const [input] = parsed.inputs;
  expect(input).toMatchObject({ name: 'label', shape: [1], datatype: 'INT64', 'unknown 0': 0 });
  expect(Object.keys(input!).length).toBeLessThan(300);
  expect(Object.keys(input!['parameters'] as object).length).toBeLessThan(300);
});
