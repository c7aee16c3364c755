import { expect, test } from 'vitest';
import { Slabs } from '../../src/engine/slabs.ts';

test('slabs of the standard size are used again', async () => {
  const slabs = new Slabs(100, 1000);
  const first = await slabs.acquire(60);
  expect(first.byteLength).toBe(100);
  slabs.release(first);
  expect(await slabs.acquire(100)).toBe(first);
});

test('who asks for more than there is waits, in order', async () => {
  const slabs = new Slabs(100, 250);
  const [a, b] = [await slabs.acquire(1), await slabs.acquire(1)];
  const order: string[] = [];
  const large = slabs.acquire(200).then((slab) => {
    order.push('large');
    return slab;
  });
  const small = slabs.acquire(1).then(() => order.push('small'));
  slabs.release(a);
  await Promise.resolve();
  expect(order).toEqual([]);
  slabs.release(b);
  slabs.release(await large);
  await small;
  expect(order).toEqual(['large', 'small']);
  expect(slabs.bytesInUse).toBe(100);
});

test('a row larger than everything is granted when nothing else is in use', async () => {
  const slabs = new Slabs(100, 250);
  expect((await slabs.acquire(1000)).byteLength).toBe(1000);
  expect(slabs.bytesInUse).toBe(1000);
});

test('a buffer that cannot be had is not accounted for', async () => {
  const slabs = new Slabs(100, 250);
  await expect(slabs.acquire(2 ** 52)).rejects.toThrow(RangeError);
  expect(slabs.bytesInUse).toBe(0);
});

test('a lost slab is accounted for', async () => {
  const slabs = new Slabs(100, 100);
  await slabs.acquire(1);
  const next = slabs.acquire(1);
  slabs.forget(100);
  expect((await next).byteLength).toBe(100);
  expect(slabs.bytesInUse).toBe(100);
});
