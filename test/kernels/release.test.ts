import { expect, test } from 'vitest';
import { Kernel } from '../../kernels/kernel.ts';
import { forward } from './forward.ts';

test('a kernel that lets go of a block computes the next one as before', () => {
  const kernel = Kernel.load();
  const small = new Uint8Array(Float32Array.of(1, 2, 3).buffer);
  const before = forward(kernel, 'float32', small, 3, Int32Array.of(2));
  // Larger than the memory that is kept from one block to the next.
  const classes = 20 * 2 ** 20;
  const large = forward(kernel, 'float32', new Uint8Array(4 * classes), classes, Int32Array.of(0));
  expect(large.lse[0]).toBeCloseTo(Math.log(classes), 6);
  kernel.release();
  expect(forward(kernel, 'float32', small, 3, Int32Array.of(2))).toEqual(before);
});
