import { afterAll, expect, test } from 'vitest';
import { plainBlock } from '../../src/engine/block.ts';
import { KernelPool } from '../../src/engine/pool.ts';
import { encode } from '../rows.ts';

const pool = new KernelPool({
  workers: 1,
  kernel: 'auto',
  slabBytes: 64,
  maxRowBytes: 2 ** 26,
  maxSlabBytes: 640,
  inlineLogits: 0,
});
afterAll(() => pool.close());

const block = { ...plainBlock('float32', 2, Int32Array.of(0, 1)), firstRow: 10 };
const logits = encode('float32', [0, 0, Number.NaN, 1]);

async function slabWith(bytes: Uint8Array): Promise<ArrayBuffer> {
  const slab = await pool.slabs.acquire(bytes.byteLength);
  new Uint8Array(slab).set(bytes);
  return slab;
}

test('a block is evaluated the same on a worker and inline', async () => {
  const slab = await slabWith(logits);
  const onWorker = await pool.run({ block, slab, byteLength: logits.byteLength });
  expect(slab.byteLength, 'the slab is moved, not copied').toBe(0);
  expect(onWorker).toEqual(pool.runInline(block, logits));
  expect(onWorker.columns.nll).toEqual(Float64Array.of(Math.LN2, Number.NaN));
  expect(onWorker.findings.locations).toMatchObject([{ row: 11, column: 0, value: 'NaN' }]);
  expect(pool.slabs.bytesInUse).toBe(0);
});

test('an error comes back as a value, and the slab with it', async () => {
  const slab = await slabWith(logits);
  await expect(pool.run({ block, slab, byteLength: logits.byteLength - 1 })).rejects.toThrow('does not have 15 bytes');
  expect(pool.slabs.bytesInUse).toBe(0);
  expect((await pool.run({ block, slab: await slabWith(logits), byteLength: logits.byteLength })).columns.nll[0]).toBe(
    Math.LN2,
  );
});
