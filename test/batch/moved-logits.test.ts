import { describe, expect, test } from 'vitest';
import { MovedLogits } from '../../src/batch/moved-logits.ts';
import { runAtOnce } from '../../src/steps.ts';
import { transposed } from '../../src/tensor/transpose.ts';
import { HeldBytes } from '../../src/wire/body/held-bytes.ts';
import { partOf } from '../lists.ts';

/** Elements of random bytes in the order items, rows, columns; and the same elements in the order items, columns, rows. */
function elements(
  items: number,
  rows: number,
  columns: number,
  width: number,
): { given: Uint8Array; wanted: Uint8Array } {
  const given = Uint8Array.from({ length: items * rows * columns * width }, (_, k) => (k * 2_654_435_761) >>> 11);
  const wanted = new Uint8Array(given.byteLength);
  for (let item = 0; item < items; item++) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const from = ((item * rows + row) * columns + column) * width;
        const to = ((item * columns + column) * rows + row) * width;
        wanted.set(given.subarray(from, from + width), to);
      }
    }
  }
  return { given, wanted };
}

const SHAPES = [
  [1, 3, 5],
  [4, 2, 7],
  [70_000, 2, 3],
  [3, 300, 301],
] as const;

describe.each(partOf([8, 2, 4], 2))('elements of %d bytes', (width) => {
  test.each(SHAPES)('of %d items of %d × %d are moved, however they are cut', async (items, rows, columns) => {
    const { given, wanted } = elements(items, rows, columns, width);
    for (const chunk of [given.byteLength <= 10_000 ? 1 : 4099, 10_007, given.byteLength]) {
      const came: Uint8Array[] = [];
      const held = new HeldBytes(2 ** 30).open();
      const writer = { write: (run: Uint8Array) => void came.push(Uint8Array.from(run)) };
      const moved = new MovedLogits(writer, { items, rows, columns }, { width, held });
      for (let at = 0; at < given.byteLength; at += chunk) await moved.write(given.subarray(at, at + chunk));
      expect(Buffer.concat(came).equals(wanted), `chunks of ${chunk}`).toBe(true);
      held.close();
    }
  });

  test.each(SHAPES)('of %d items of %d × %d are transposed, and back', (items, rows, columns) => {
    const { given, wanted } = elements(items, rows, columns, width);
    const moved = runAtOnce(transposed(given, width, { items, rows, columns }));
    expect(Buffer.from(moved).equals(wanted)).toBe(true);
    const back = runAtOnce(transposed(moved, width, { items, rows: columns, columns: rows }));
    expect(Buffer.from(back).equals(given)).toBe(true);
  });
});

test('an item that is more than may be held is refused before it comes', () => {
  const held = new HeldBytes(1000).open();
  const writer = { write: () => undefined };
  const open = (rows: number): MovedLogits =>
    new MovedLogits(writer, { items: 1, rows, columns: 10 }, { width: 4, held });
  expect(() => open(26)).toThrow('logits whose class axis is not the last must be buffered in memory');
  expect(() => open(25)).not.toThrow();
});

test('the memory of a group is given back', async () => {
  const all = new HeldBytes(1000);
  const held = all.open();
  const moved = new MovedLogits({ write: () => undefined }, { items: 2, rows: 3, columns: 10 }, { width: 4, held });
  expect(all.held).toBe(0);
  await moved.write(new Uint8Array(4));
  expect(all.held).toBe(240);
  held.close();
  expect(all.held).toBe(0);
});

test('logits of a file that are more than may be held are refused before they are read', async () => {
  // The limit has room for one item, but not for all four.
  const all = new HeldBytes(400_000);
  const moves = { items: 4, rows: 2, columns: 40_000 };
  const moved = new MovedLogits({ write: () => undefined }, moves, { width: 4, held: all.open() });
  let reads = 0;
  const reading = moved.readFrom({
    dtype: 'float32',
    shape: [4, 2, 40_000],
    range: { fd: -1, name: 'logits.safetensors', position: 0, byteLength: 1_280_000 },
    read: async () => new Uint8Array(++reads),
  });
  await expect(reading).rejects.toThrow(/must be buffered in memory.*send them with the class axis last/);
  expect([reads, all.held]).toEqual([0, 0]);
});
