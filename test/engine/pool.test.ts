import { spawnSync } from 'node:child_process';
import { afterAll, expect, test } from 'vitest';
import { plainBlock, plainPlan, wholeBlock } from '../../src/engine/block.ts';
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

test('a gradient stands in the slab while its result is used, where it fits', async () => {
  const [t, none] = [Float64Array.of(1, 1), new Float64Array(2)];
  const coefficients = { t, b: none, z: none };
  const values = Array.from({ length: 16 }, (_, c) => c / 8);
  const bytes = encode('float16', values);
  for (const gradientDType of ['float16', 'float64'] as const) {
    const dtype = gradientDType === 'float16' ? 'float16' : 'float64';
    const given = dtype === 'float16' ? bytes : encode('float64', values);
    const withGradient = {
      ...wholeBlock({ ...plainPlan(dtype, 8), gradientDType }, Int32Array.of(0, 5)),
      coefficients,
    };
    const expected = pool.runInline(withGradient, given).gradient;
    let used: Uint8Array | undefined;
    const slab = await slabWith(given);
    // Slabs have 64 bytes, but the slab of the float64 logits is as long as the logits.
    await pool.run({ block: withGradient, slab, byteLength: given.byteLength }, undefined, ({ gradient }, returned) => {
      expect(gradient!.buffer).toBe(returned);
      expect(pool.slabs.bytesInUse, 'the slab is not free yet').toBe(returned.byteLength);
      used = gradient!.slice();
    });
    expect(used).toEqual(expected);
    expect(pool.slabs.bytesInUse).toBe(0);
  }

  const wider = {
    ...wholeBlock({ ...plainPlan('float16', 32), gradientDType: 'float32' as const }, Int32Array.of(0)),
    coefficients: { t: Float64Array.of(1), b: new Float64Array(1), z: new Float64Array(1) },
  };
  const logits16 = encode(
    'float16',
    Array.from({ length: 32 }, (_, c) => c / 8),
  );
  const slab = await slabWith(logits16);
  await pool.run({ block: wider, slab, byteLength: 64 }, undefined, ({ gradient }, returned) => {
    expect(gradient!.buffer, 'float32 is longer than the slab').not.toBe(returned);
    expect(gradient).toEqual(pool.runInline(wider, logits16).gradient);
  });
  expect(pool.slabs.bytesInUse).toBe(0);
});

test('the slab is released when the use of a result fails', async () => {
  const slab = await slabWith(logits);
  const run = pool.run({ block, slab, byteLength: logits.byteLength }, undefined, () => {
    throw new Error('cannot use it');
  });
  await expect(run).rejects.toThrow('cannot use it');
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

test('a pool that is closed while its workers load ends its process well', () => {
  const script = `
    import { KernelPool } from './src/engine/pool.ts';
    const settings = { kernel: 'auto', slabBytes: 64, maxRowBytes: 64, maxSlabBytes: 640, inlineLogits: 0 };
    for (let k = 0; k < 5; k++) await new KernelPool({ ...settings, workers: 3 }).close();
    console.log('closed');`;
  const args = ['--input-type=module', '--eval', script];
  const { status, signal, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  expect([status, signal, stdout]).toEqual([0, null, 'closed\n']);
});
