import { expect, test } from 'vitest';
import { Kernel } from '../../kernels/kernel.ts';
import { plainBlock } from '../../src/engine/block.ts';
import type { Block } from '../../src/engine/block.ts';
import { evaluateBlock } from '../../src/engine/evaluate-block.ts';
import { encode } from '../rows.ts';
import { TIMED } from '../timed.ts';

const kernel = Kernel.load();

/** Processor time of an evaluation in milliseconds, the minimum of three. */
function cost(block: Block, logits: Uint8Array): number {
  const times = [0, 1, 2].map(() => {
    const before = process.cpuUsage();
    evaluateBlock(kernel, block, logits);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  });
  return Math.min(...times);
}

const CLASSES = 500_000;

test.each([
  ['−Infinity', -Infinity],
  ['Infinity', Infinity],
  ['NaN', Number.NaN],
])('the places of a row of %s cost one look at the row, however many are named', TIMED, (_name, value) => {
  const logits = encode('float16', new Float64Array(CLASSES).fill(value));
  const block = plainBlock('float16', CLASSES, Int32Array.of(0));
  const { findings } = evaluateBlock(kernel, { ...block, mostPlaces: 4096 }, logits);
  expect(findings.locations).toHaveLength(4096);
  expect(findings.locations.at(-1)).toMatchObject({ row: 0, column: 4095, value: String(value) });
  // A search of the rest of the row for each place would read 4096 rows, which takes seconds.
  const few = cost({ ...block, mostPlaces: 1 }, logits);
  expect(cost({ ...block, mostPlaces: 4096 }, logits)).toBeLessThan(4 * few + 60);
});

test('the kind of a place is that of its own value', () => {
  const values = [1, Number.NaN, -Infinity, Infinity, 2, -Infinity, Number.NaN];
  const block = { ...plainBlock('float32', values.length, Int32Array.of(2)), mostPlaces: 4096 };
  const { findings } = evaluateBlock(kernel, block, encode('float32', values));
  expect(findings.locations.map(({ column, value, is_label }) => [column, value, is_label])).toEqual([
    [1, 'NaN', false],
    [2, '-Infinity', true],
    [3, 'Infinity', false],
    [5, '-Infinity', false],
    [6, 'NaN', false],
  ]);
});
