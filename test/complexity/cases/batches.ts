/** Batches of any size, with the field names of the wire. */
import type { Tensor } from '../../../src/tensor/tensor.ts';

export function float32(shape: readonly number[], valueOf: (k: number) => number = gentle): Tensor<'float32'> {
  const elements = Float32Array.from({ length: product(shape) }, (_, k) => valueOf(k));
  return { dtype: 'float32', shape, data: new Uint8Array(elements.buffer) };
}

export function int32(shape: readonly number[], valueOf: (k: number) => number = () => 0): Tensor<'int32'> {
  const elements = Int32Array.from({ length: product(shape) }, (_, k) => valueOf(k));
  return { dtype: 'int32', shape, data: new Uint8Array(elements.buffer) };
}

/** A tensor that repeats one float16 value, given by its bits. */
export function float16(shape: readonly number[], bits: number): Tensor<'float16'> {
  const data = new Uint16Array(product(shape)).fill(bits);
  return { dtype: 'float16', shape, data: new Uint8Array(data.buffer) };
}

export const FLOAT16_NAN = 0x7e00;
export const FLOAT16_NEGATIVE_INFINITY = 0xfc00;

const WIDTH = 8;

/** Rows with label and mask. The logits come last, so that they stream. */
export function rowsOf(rows: number, options: object): Record<string, unknown> {
  return {
    options,
    label: int32([rows], (row) => row % WIDTH),
    input_mask: float32([rows], (row) => (row % 7 === 0 ? 0 : 1)),
    logits: float32([rows, WIDTH]),
  };
}

/** Few rows of many classes, with class weights. */
export function classesOf(classes: number, options: object): Record<string, unknown> {
  return {
    options,
    label: int32([4], (row) => row),
    weight: float32([classes], () => 1),
    logits: float32([4, classes]),
  };
}

/** Multiples of 1/8 from −4 to 3.875, which every dtype can represent. */
function gentle(k: number): number {
  return ((k * 7919) % 64) / 8 - 4;
}

function product(shape: readonly number[]): number {
  return shape.reduce((size, axis) => size * axis, 1);
}
