import { expect, test } from 'vitest';
import { HeldBytes, HeldRuns } from '../../../src/wire/body/held-bytes.ts';

test('single bytes are copied together, and cost what they are', () => {
  const bytes = new HeldBytes(2 ** 30);
  const account = bytes.open();
  const held = new HeldRuns(account, 'test', 'split it');
  const sent = Uint8Array.from({ length: 200_000 }, (_, k) => k);
  for (let k = 0; k < sent.length; k++) held.push(sent.subarray(k, k + 1));
  expect(Buffer.from(held.concat()).equals(sent)).toBe(true);
  expect(held.runs.length).toBe(4);
  expect(bytes.held).toBe(3 * 65_536 + 4096);
  account.close();
  expect(bytes.held).toBe(0);
});

test('runs of any length keep their order', () => {
  const held = new HeldRuns(new HeldBytes(2 ** 30).open(), 'test', 'split it');
  const sent = Uint8Array.from({ length: 500_000 }, (_, k) => k * 7);
  let at = 0;
  for (const length of [1, 40_000, 3, 30_000, 70_000, 2, 65_536, 10, 100_000, 65_530, 10, 128_908]) {
    held.push(sent.subarray(at, (at += length)));
  }
  expect(at).toBe(sent.length);
  expect(Buffer.from(held.concat()).equals(sent)).toBe(true);
});

test('one request that is too large is told apart from many that are', () => {
  const bytes = new HeldBytes(100);
  const [first, second] = [bytes.open(), bytes.open()];
  first.take(80, 'a field', 'split it');
  expect(() => first.take(21, 'a field', 'split it')).toThrow(expect.objectContaining({ code: 'body_too_large' }));
  expect(() => second.take(30, 'a field', 'split it')).toThrow(
    expect.objectContaining({ code: 'overloaded', status: 429 }),
  );
  first.close();
  second.take(30, 'a field', 'split it');
  expect(bytes.held).toBe(30);
});

test('chunks belong to what holds them: large ones are kept, others copied and freed', () => {
  const account = new HeldBytes(2 ** 30).open();
  const held = new HeldRuns(account, 'test', 'split it');
  const chunks = [10, 65_536, 40].map((length) => new Uint8Array(length).fill(length));
  const whole = new Uint8Array(100).fill(7);
  const all = Buffer.concat([...chunks, whole.subarray(0, 50)]);
  for (const chunk of chunks) held.push(chunk);
  // A part of a buffer, which others may also hold.
  held.push(whole.subarray(0, 50));
  expect(chunks.map(({ byteLength }) => byteLength)).toEqual([0, 65_536, 0]);
  expect(whole.byteLength).toBe(100);
  expect(held.concat()).toEqual(all);
  account.close();
  expect(chunks.map(({ byteLength }) => byteLength)).toEqual([0, 0, 0]);
});

test('empty chunks leave no run behind', () => {
  const held = new HeldRuns(new HeldBytes(2 ** 30).open(), 'test', 'split it');
  held.push(new Uint8Array(0));
  held.push(new Uint8Array(48 * 1024));
  for (let k = 0; k < 1000; k++) held.push(new Uint8Array(0));
  expect(held.runs).toHaveLength(1);
});
