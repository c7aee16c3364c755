/**
 * Rows of log-probabilities in the format of llama.cpp's logit files: f32 scale, f32 minimum, then one u16 q per class.
 */
import { DTYPE_BYTES } from '../src/tensor/dtype.ts';
import type { FloatDType } from '../src/tensor/dtype.ts';
import type { ByteSource } from './arena.ts';
import type { PlacedLogits } from './block.ts';
import type { KernelMemory } from './place.ts';

/** log p = scale·q + minimum. */
export interface QuantisedRows {
  quantised: Uint8Array | ByteSource;
}

/** Format of a row: the dtype of its elements, or `quantised`, which is placed as float32. */
export type RowFormat = FloatDType | 'quantised';

/** Bytes of a row as received. A quantised row is padded to an even number of uint16. */
export function rowBytesOf(format: RowFormat, classes: number): number {
  return format === 'quantised' ? 8 + 4 * Math.ceil(classes / 2) : classes * DTYPE_BYTES[format];
}

/** Places rows as float32, with the roundings of llama.cpp. */
export function placeQuantised(
  { arena }: KernelMemory,
  { quantised }: QuantisedRows,
  { rows, classes }: { rows: number; classes: number },
): PlacedLogits {
  const out = arena.allocate(rows * classes * 4);
  arena.temporary(0, () => {
    const received = arena.bringIn(quantised);
    const { buffer } = arena.u8(received, 0);
    const logprobs = new Float32Array(buffer, out, rows * classes);
    for (let row = 0; row < rows; row++) {
      const at = received + row * rowBytesOf('quantised', classes);
      const [scale, minimum] = new Float32Array(buffer, at, 2) as ArrayLike<number> as [number, number];
      const steps = new Uint16Array(buffer, at + 8, classes);
      const first = row * classes;
      for (let c = 0; c < classes; c++) logprobs[first + c] = Math.fround(scale * steps[c]!) + minimum;
    }
  });
  return { dtype: 'float32', logits: out };
}
