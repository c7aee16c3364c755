import { expect, test } from 'vitest';
import { free, ownBytes } from '../../src/tensor/memory.ts';

test('bytes that fill their buffer are freed, also where it is resizable; again is no error', () => {
  for (const buffer of [new ArrayBuffer(8), new ArrayBuffer(8, { maxByteLength: 16 })]) {
    const bytes = new Uint8Array(buffer);
    free(bytes);
    free(bytes);
    expect([bytes.byteLength, buffer.detached]).toEqual([0, true]);
  }
});

test('a part of a buffer, and shared memory, are left alone', () => {
  const whole = Uint8Array.of(1, 2, 3);
  free(whole.subarray(1));
  const shared = new Uint8Array(new SharedArrayBuffer(4));
  free(shared);
  expect([whole.byteLength, shared.byteLength]).toEqual([3, 4]);
});

test('bytes of their own are the same memory; a part is copied', () => {
  const whole = Uint8Array.of(1, 2, 3);
  expect(ownBytes(whole).buffer).toBe(whole.buffer);
  const own = ownBytes(whole.subarray(1));
  expect([...own]).toEqual([2, 3]);
  expect(own.buffer).not.toBe(whole.buffer);
});
