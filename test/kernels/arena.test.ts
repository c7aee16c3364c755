import { expect, test } from 'vitest';
import { Arena } from '../../kernels/arena.ts';
import { compile } from '../../kernels/instance.ts';

function makeArena(): Arena {
  const { memory, bindings } = compile('strict').make();
  return new Arena(memory, bindings.heapBase());
}

test('allocations follow one another at multiples of 16, and grow the memory', () => {
  const arena = makeArena();
  const first = arena.allocate(5);
  const second = arena.allocate(2 ** 20);
  expect([first % 16, second % 16]).toEqual([0, 0]);
  expect(second).toBeGreaterThanOrEqual(first + 5);
  expect(arena.byteLength).toBeGreaterThanOrEqual(second + 2 ** 20);
  expect(arena.u8(second, 2 ** 20)).toHaveLength(2 ** 20);
});

test('clear frees all allocations', () => {
  const arena = makeArena();
  const first = arena.allocate(100);
  arena.allocate(100);
  arena.clear();
  expect(arena.allocate(1)).toBe(first);
});

test('temporary memory is free again when the function throws', () => {
  const arena = makeArena();
  let at = 0;
  const fail = (outer: number): never => {
    at = outer;
    throw new Error('no memory');
  };
  expect(() => arena.temporary(8, fail)).toThrow('no memory');
  expect(arena.allocate(8)).toBe(at);
});

test('temporary memory is free again afterwards, with what was allocated meanwhile', () => {
  const arena = makeArena();
  const [at, inner] = arena.temporary(8, (outer) => [outer, arena.allocate(8)]);
  expect(inner).toBeGreaterThan(at);
  expect(arena.allocate(8)).toBe(at);
});

test('bytes go out into memory that they fit into, else into memory of their own', () => {
  const arena = makeArena();
  const at = arena.copyIn(Uint8Array.of(1, 2, 3));
  const into = new ArrayBuffer(4);
  const copy = arena.copyOut(at, 3, into);
  expect(copy.buffer).toBe(into);
  expect([...new Uint8Array(into)]).toEqual([1, 2, 3, 0]);
  expect(arena.copyOut(at, 3, new ArrayBuffer(2))).toEqual(Uint8Array.of(1, 2, 3));
  expect(arena.copyOut(at, 3)).toEqual(Uint8Array.of(1, 2, 3));
});

test('bytes come in from views at any offset, and from a source', () => {
  const arena = makeArena();
  const values = Float64Array.of(0, 1.5, -2);
  const copied = arena.copyIn(values.subarray(1));
  const read = arena.bringIn({ byteLength: 3, readInto: (target) => target.set([7, 8, 9]) });
  expect([...arena.f64(copied, 2)]).toEqual([1.5, -2]);
  expect([...arena.u8(read, 3)]).toEqual([7, 8, 9]);
});
