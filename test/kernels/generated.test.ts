import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { Bindings } from '../../kernels/bindings.ts';
import { generate } from '../../kernels/generate.ts';
import { compile } from '../../kernels/instance.ts';
import { KERNELS } from '../../kernels/table.ts';
import type { KernelRow } from '../../kernels/table.ts';
import { ELEMENT_TYPES } from '../../src/tensor/dtype.ts';

test('the files made from the table are the committed ones: run `npm run generate` when this fails', async () => {
  for (const [path, text] of await generate()) {
    expect(await readFile(new URL(`../../kernels/${path}`, import.meta.url), 'utf8'), path).toBe(text);
  }
});

test.each(['strict', 'relaxed'] as const)(
  'the %s build exports every kernel of the table, and no other',
  async (variant) => {
    const bytes = await readFile(new URL(`../../kernels/build/${variant}.wasm`, import.meta.url));
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), {});
    const wanted = Object.entries<KernelRow>(KERNELS).flatMap(([name, { dtypes }]) =>
      dtypes.length === 0 ? [name] : dtypes.map((dtype) => `${ELEMENT_TYPES[dtype].float.kernel}_${name}`),
    );
    expect(Object.keys(exports as object).toSorted()).toEqual([...wanted, 'interface_number', 'memory'].toSorted());
  },
);

test('a build of other sources is refused', () => {
  expect(() => new Bindings({ interface_number: () => 1 })).toThrow('run `npm run build:kernels`');
  expect(() => new Bindings({})).toThrow('run `npm run build:kernels`');
});

test('a binding passes its arguments by name', () => {
  const { memory, bindings } = compile('strict').make();
  const row = bindings.heapBase();
  new Float32Array(memory.buffer, row, 5).set([1, Number.NaN, 3, Infinity, 3]);
  expect(bindings.find('float32', { kinds: 2, from: 0, classes: 5, row })).toBe(3);
  expect(bindings.count('float32', { value: 3, row, count: 5 })).toBe(2);
  expect(bindings.rankOf('float32', { target: 2, classes: 5, row })).toBe(1);
});
