import { expect, test } from 'vitest';
import { cutBlock, ownRows, plainBlock } from '../../src/engine/block.ts';
import type { Block } from '../../src/engine/block.ts';
import { kernelBytesBeside } from '../../src/engine/block-memory.ts';
import { runAtOnce } from '../../src/steps.ts';

const MiB = 2 ** 20;

test('class weights count as memory that kernels take', () => {
  const classes = 16 * MiB;
  const block = plainBlock('float16', classes, new Int32Array(1));
  const weighted = { ...block, plan: { ...block.plan, classWeights: new Float64Array(0) } };
  const beside = ({ plan, ...rows }: Block): number =>
    kernelBytesBeside({ ...rows, plan: { ...plan, gradientDType: 'float64' } }, 1);
  expect(beside(weighted) - beside(block)).toBe(8 * classes);
});

test('float8 counts with the bfloat16 that the kernels read', () => {
  const classes = 64 * MiB;
  const [narrow, wide] = (['float8_e5m2', 'bfloat16'] as const).map((dtype) =>
    kernelBytesBeside(plainBlock(dtype, classes, new Int32Array(1)), 1),
  );
  expect(narrow! - wide!).toBe(classes);
});

test('results of shards count until they are merged', () => {
  const block = plainBlock('float32', 4096, new Int32Array(128));
  expect(kernelBytesBeside(block, 128)).toBe(0);
  expect(kernelBytesBeside({ ...block, plan: { ...block.plan, shards: 4096 } }, 128)).toBe(128 * 4096 * 64);
});

test('class probabilities are cut as a view, and copied step by step for a worker', () => {
  const classes = 2 ** 18;
  const data = Uint8Array.from({ length: 2 * classes * 8 }, (_, k) => k % 251);
  const block: Block = {
    ...plainBlock('float32', classes, new Int32Array(2)),
    probabilities: { dtype: 'float64', data },
  };
  const cut = cutBlock(block, 1, 1, 0);
  expect(cut.probabilities!.data.buffer).toBe(data.buffer);
  const copying = ownRows(cut);
  expect(copying.next().done).toBe(false);
  const { probabilities } = runAtOnce(ownRows(cut));
  expect(Buffer.compare(probabilities!.data, data.subarray(classes * 8))).toBe(0);
  expect(probabilities!.data.buffer.byteLength).toBe(classes * 8);
});

test('class probabilities beyond the last row are zeros', () => {
  const block: Block = {
    ...plainBlock('float32', 2, new Int32Array(2)),
    probabilities: { dtype: 'float32', data: new Uint8Array(16).fill(1) },
  };
  const { probabilities } = runAtOnce(ownRows(cutBlock(block, 0, 2, 1)));
  expect([...probabilities!.data]).toEqual([...Array<number>(8).fill(1), ...Array<number>(8).fill(0)]);
});

test('the copy of class probabilities counts', () => {
  const block = plainBlock('float32', 1000, new Int32Array(8));
  const probabilities = { dtype: 'float64', data: new Uint8Array(0) } as const;
  expect(kernelBytesBeside({ ...block, probabilities }, 8)).toBe(8 * 1000 * 8);
});

test('a row that is ranked in float64 counts, once for a block', () => {
  const plain = plainBlock('bfloat16', 64 * MiB, new Int32Array(1));
  const capped = { ...plain, plan: { ...plain.plan, transform: { scale: 1, cap: 30 } } };
  // 8 bytes for each float64 value, in addition to 4 for each float32 value of the row.
  expect(kernelBytesBeside(capped, 1) - kernelBytesBeside(plain, 1)).toBe((4 + 8) * 64 * MiB);
});
