import { expect, test } from 'vitest';
import { consume, peek, readWhole, requireEnd, runsOf } from '../../src/wire/decoding.ts';
import type { Bytes, Decoding } from '../../src/wire/decoding.ts';
import { LossmeterError } from '../../src/errors.ts';
import { HeldBytes, HeldRuns } from '../../src/wire/body/held-bytes.ts';
import { decodeAll } from './decoding.ts';

const bytes = (n: number): Uint8Array => Uint8Array.from({ length: n }, (_, k) => k & 255);

const cut = (all: Uint8Array, ...places: number[]): Uint8Array[] =>
  [...places, all.byteLength].map((end, k) => all.subarray(places[k - 1] ?? 0, end));

test('runs are exactly the bytes asked for, across chunks', () => {
  const all = bytes(1000);
  const { items, result } = decodeAll(
    function* decode(body): Decoding<number | undefined> {
      yield* runsOf(body, 2, 'the first');
      yield* runsOf(body, 700, 'the others');
      return (yield* peek(body))?.[0];
    },
    cut(all, 3, 500),
  );
  const runs = items.map((item) => (item.is === 'run' ? item.bytes.byteLength : 0));
  expect(runs).toEqual([2, 1, 497, 202]);
  expect(Buffer.concat(items.map((item) => (item.is === 'run' ? item.bytes : Buffer.alloc(0))))).toEqual(
    Buffer.from(all.subarray(0, 702)),
  );
  expect(result).toBe(all[702]);
});

test('a body that ends early is truncated, with what was announced and what came', () => {
  for (const read of [
    (body: Bytes) => runsOf(body, 9, 'test'),
    (body: Bytes) => consume(body, 9, 'test', () => undefined),
  ]) {
    expect(() => decodeAll(read, cut(bytes(5), 2))).toThrow(
      expect.objectContaining({
        code: 'truncated_body',
        message: 'the body ends within test: expected 9 bytes, received 5',
      }),
    );
  }
});

test('nothing is asked for once the body has ended', () => {
  expect(decodeAll(peek, []).result).toBeUndefined();
});

test('a whole body is one buffer, however long', () => {
  for (const length of [0, 1000, 2 ** 19]) {
    const held = new HeldRuns(new HeldBytes(2 ** 24).open(), 'test', 'none');
    const bound = { maxBytes: length, tooLong: () => new LossmeterError('body_too_large', 'too long') };
    const { result } = decodeAll((body) => readWhole(body, held, bound), cut(bytes(length), Math.floor(length / 3)));
    expect(Buffer.from(result)).toEqual(Buffer.from(bytes(length)));
    expect(() => decodeAll((body) => readWhole(body, held, bound), [bytes(length + 1)])).toThrow('too long');
  }
});

test('bytes behind the end are refused, with their number', () => {
  expect(decodeAll(requireEnd, []).result).toBeUndefined();
  expect(() => decodeAll(requireEnd, [bytes(3)])).toThrow('at least 3 bytes follow the end');
});
