/** A batch with a known loss, and helpers of route tests to read answers. */
import { expect } from 'vitest';
import type { FloatDType } from '../../src/tensor/dtype.ts';
import { encode } from '../rows.ts';
import { JSON_TYPE } from '../service.ts';
import type { Answer } from '../service.ts';

export const LOGITS = [
  [-0.438346, 0.582246, 0.842038, -0.591126, 0.590775],
  [-0.968004, 0.189337, 0.982326, 0.374514, 0.851041],
  [0.269876, 0.195891, 0.74878, -0.056748, 0.263205],
];
export const LABEL = [1, 4, 0];

/** A tensor for a media type: bytes in MessagePack, base64 in JSON. */
export function tensor(type: string, dtype: FloatDType, values: number[][]): unknown {
  const bytes = encode(dtype, values.flat());
  const data = type === JSON_TYPE ? Buffer.from(bytes).toString('base64') : bytes;
  return { dtype, shape: [values.length, values[0]!.length], data };
}

/** A float64 tensor for JSON, with NaN and the infinities in it. */
export function float64(values: number[][]): unknown {
  return tensor(JSON_TYPE, 'float64', values);
}

/** The elements of an output of a JSON answer. */
export function numbers({ body }: Answer, output: string): number[] {
  return Array.from(body.outputs[output]!.data as unknown as (number | string)[], Number);
}

/** Rows of a flattened matrix. */
export function rowsOf(flat: number[], classes: number): number[][] {
  return Array.from({ length: flat.length / classes }, (_, row) => flat.slice(row * classes, (row + 1) * classes));
}

/** Matchers for numbers that agree in the given number of decimals. */
export function close(values: Iterable<number>, digits = 12): unknown[] {
  return Array.from(values, (value) => expect.closeTo(value, digits) as unknown);
}
