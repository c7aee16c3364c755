import { appendFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BlockWriter } from '../../src/engine/block-writer.ts';
import { localOpener } from '../../src/files/open-file.ts';
import { SafetensorsFile } from '../../src/files/safetensors-file.ts';
import { KernelPool } from '../../src/engine/pool.ts';
import { plainBlock } from '../../src/engine/block.ts';
import { readRange } from '../../src/engine/read-range.ts';
import type { LocalRange } from '../../src/tensor/file-range.ts';
import { safetensorsFile } from '../safetensors-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'lossmeter-local-file-'));
const path = join(folder, 'a.safetensors');
const data = new Uint8Array(4 * 1000);
const pool = new KernelPool({
  ...{ workers: 1, kernel: 'auto', slabBytes: 400, maxRowBytes: 4096, maxSlabBytes: 4096, inlineLogits: 0 },
});

let file: SafetensorsFile;

beforeEach(async () => {
  writeFileSync(path, safetensorsFile([['logits', { dtype: 'float32', shape: [500, 2], data }]]));
  file = await SafetensorsFile.open(localOpener(path, { name: 'a.safetensors' }), 1000);
});
afterEach(() => file.close());
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await pool.close();
});

test('a file that nobody touched is unchanged', async () => {
  await file.requireUnchanged();
  expect(file.tensor('logits', 'logits')).toMatchObject({
    dtype: 'float32',
    shape: [500, 2],
    range: { byteLength: 4000 },
  });
});

test.each<[string, () => void, string]>([
  ['written to', () => writeFileSync(path, Buffer.of(1), { flag: 'r+' }), 'was written to while'],
  ['longer', () => appendFileSync(path, 'x'), 'was resized from'],
  ['shorter', () => truncateSync(path, 100), 'was resized from'],
])('one that was %s is refused', async (_how, change, says) => {
  // Some file systems have a clock resolution of several milliseconds.
  await new Promise((resolve) => setTimeout(resolve, 20));
  change();
  await expect(file.requireUnchanged()).rejects.toMatchObject({
    code: 'file_changed',
    message: expect.stringContaining(says) as string,
  });
});

test('reading ends when nobody waits for the results', async () => {
  const writer = new BlockWriter(pool, plainBlock('float32', 2, new Int32Array(500)), 0);
  let asked = 0;
  let read = 0;
  writer.watch(() => ++asked > 3);
  const reading = writer.readFrom(file.tensor('logits', 'logits'), { onRead: (bytes) => (read += bytes) });
  await expect(reading).rejects.toMatchObject({ code: 'client_closed' });
  // All pending reads have completed, so the file can be closed.
  expect(read).toBe(3 * 400);
});

test('an abandoned writer is idle once its blocks have ended', async () => {
  const writer = new BlockWriter(pool, plainBlock('float32', 2, new Int32Array(500)), 0);
  await writer.write(data.subarray(0, 800));
  expect(pool.slabs.bytesInUse).toBeGreaterThan(0);
  writer.abandon();
  await writer.idle();
  expect(pool.slabs.bytesInUse).toBe(0);
});

describe('a file that ends early is noticed', () => {
  const gone = { code: 'file_changed', message: expect.stringContaining('has become shorter') as string };

  beforeEach(() => truncateSync(path, 100));

  test('on the main thread', async () => {
    await expect(file.tensor('logits', 'logits').read()).rejects.toMatchObject(gone);
    expect(() => readRange(file.tensor('logits', 'logits').range as LocalRange, new Uint8Array(4000))).toThrow(
      'has become shorter',
    );
  });

  test('on a worker, which goes on to work', async () => {
    const block = plainBlock('float32', 2, new Int32Array(500));
    const range = file.tensor('logits', 'logits').range as LocalRange;
    await expect(pool.runFromFile({ block, range, rowsAtOnce: 100 })).rejects.toMatchObject(gone);
    await expect(
      pool.runFromFile({ block, range: { ...range, fd: 1_000_000 }, rowsAtOnce: 100 }),
    ).rejects.toMatchObject({
      code: 'file_unreadable',
    });
    writeFileSync(path, safetensorsFile([['logits', { dtype: 'float32', shape: [500, 2], data }]]));
    expect((await pool.runFromFile({ block, range, rowsAtOnce: 100 }))[4]!.columns.nll[99]).toBe(Math.LN2);
  });
});
