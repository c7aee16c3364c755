import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { BlockWriter } from '../../src/engine/block-writer.ts';
import { plainBlock } from '../../src/engine/block.ts';
import { KernelPool } from '../../src/engine/pool.ts';
import type { RowResults } from '../../src/engine/block-writer.ts';
import type { FileTensor } from '../../src/tensor/file-tensor.ts';
import { encode, seededRandom } from '../rows.ts';

const SLAB_BYTES = 400;
const MAX_SLAB_BYTES = 4096;
const pool = new KernelPool({
  ...{
    workers: 2,
    kernel: 'auto',
    slabBytes: SLAB_BYTES,
    maxRowBytes: 4096,
    maxSlabBytes: MAX_SLAB_BYTES,
    inlineLogits: 0,
  },
});
afterAll(() => pool.close());

const ROWS = 500;
const CLASSES = 7;
const random = seededRandom(1);
const data = encode(
  'float32',
  Array.from({ length: ROWS * CLASSES }, () => random() * 10 - 5),
);
const block = plainBlock(
  'float32',
  CLASSES,
  Int32Array.from({ length: ROWS }, (_, row) => row % CLASSES),
);

/** Simulates logits behind a network: each range arrives after a delay, and ranges from `failingFrom` on fail. */
class RemoteLogits {
  underWay = 0;
  atOnce = 0;
  fetched: number[] = [];

  readonly #failingFrom: number;

  constructor(failingFrom = Infinity) {
    this.#failingFrom = failingFrom;
  }

  get tensor(): FileTensor {
    const range = { source: this, position: 0, byteLength: data.byteLength };
    return { dtype: 'float32', shape: [ROWS, CLASSES], range, read: async () => data };
  }

  async readInto(target: Uint8Array, position: number): Promise<void> {
    this.fetched.push(target.byteLength);
    this.atOnce = Math.max(this.atOnce, ++this.underWay);
    await delay(random() * 5);
    this.underWay--;
    if (position >= this.#failingFrom) throw new Error('the network is down');
    target.set(data.subarray(position, position + target.byteLength));
  }
}

async function evaluate(logits: RemoteLogits): Promise<RowResults> {
  const writer = new BlockWriter(pool, block, 0);
  await writer.readFrom(logits.tensor);
  return writer.finish();
}

test('blocks that come in any order have the results of rows that are written in order', async () => {
  const writer = new BlockWriter(pool, block, 0);
  await writer.write(new Uint8Array(data));
  const written = await writer.finish();
  const logits = new RemoteLogits();
  expect((await evaluate(logits)).columns.nll).toEqual(written.columns.nll);
  expect(logits.fetched.reduce((sum, bytes) => sum + bytes, 0)).toBe(data.byteLength);
});

test('ranges are fetched ahead, as far as slabs may be in use', async () => {
  const logits = new RemoteLogits();
  await evaluate(logits);
  // A quarter of the bytes is reserved for the kernels.
  expect(logits.atOnce).toBe(Math.floor((MAX_SLAB_BYTES * 3) / 4 / SLAB_BYTES));
  expect(pool.slabs.bytesInUse).toBe(0);
});

test('a range that fails ends the batch once no range is under way, and slabs are free again', async () => {
  const logits = new RemoteLogits(3000);
  await expect(evaluate(logits)).rejects.toThrow('the network is down');
  expect(logits.underWay).toBe(0);
  expect(logits.fetched.length).toBeLessThan(ROWS / 14);
  expect(pool.slabs.bytesInUse).toBe(0);
});

test('no range is fetched for a client that left', async () => {
  const logits = new RemoteLogits();
  const writer = new BlockWriter(pool, block, 0);
  writer.watch(() => logits.fetched.length >= 3);
  await expect(writer.readFrom(logits.tensor)).rejects.toMatchObject({ code: 'client_closed' });
  expect(logits.fetched).toHaveLength(3);
  expect(pool.slabs.bytesInUse).toBe(0);
});
