/** Reads the known-answer vectors, and makes requests from them. */
import { readFileSync } from 'node:fs';
import type { FloatDType } from '../../src/tensor/dtype.ts';
import { encode } from '../rows.ts';

/**
 * Values of a vector. null is the target rank of an uncounted row, which is −1 in answers. It is also a prediction or rank
 * of a row with a NaN, which PyTorch and Lossmeter define differently.
 */
export type Nested = number | string | null | Nested[];

export interface Vector {
  name: string;
  dtype: FloatDType;
  logits: Nested[];
  label: Nested[];
  input_mask?: Nested[];
  weight?: Nested[];
  options: Record<string, unknown>;
  expected: Record<string, Nested>;
}

export const FILES = ['indices', 'probabilities', 'profiles', 'shift', 'z_softcap_scale'];
const OUTPUTS = ['per_token_loss', 'lse', 'gradient', 'predictions', 'target_rank', 'entropy'];

export function readVectors(file: string): Vector[] {
  return JSON.parse(readFileSync(new URL(`${file}.json`, import.meta.url), 'utf8')) as Vector[];
}

export const flatten = (nested: Nested): number[] =>
  Array.isArray(nested) ? nested.flatMap(flatten) : [nested === null ? -1 : Number(nested)];

function shapeOf(nested: Nested): number[] {
  return Array.isArray(nested) ? [nested.length, ...shapeOf(nested[0] ?? 0)] : [];
}

/** The outputs of a vector that are compared. */
export function outputsOf({ expected }: Vector): string[] {
  return OUTPUTS.filter((name) => Object.hasOwn(expected, name));
}

/** Least number to which errors are relative: 1, or for a gradient its largest element, which is far below 1. */
export function scaleOf(name: string, wanted: readonly number[]): number {
  return name === 'gradient' ? wanted.reduce((top, g) => (Math.abs(g) > top ? Math.abs(g) : top), 0) : 1;
}

/** The request of a vector, for MessagePack. */
export function requestOf(vector: Vector): object {
  const { dtype, label, input_mask, weight } = vector;
  const shape = shapeOf(vector.logits);
  const float64 = (values: Nested[]): unknown => ({
    dtype: 'float64',
    shape: shapeOf(values),
    data: flatten(values),
  });
  return {
    label:
      shapeOf(label).length === shape.length
        ? float64(label)
        : { dtype: 'int64', shape: shapeOf(label), data: flatten(label) },
    ...(input_mask && { input_mask: float64(input_mask) }),
    ...(weight && { weight: float64(weight) }),
    options: {
      ...vector.options,
      outputs: outputsOf(vector),
      check_for_nan_in_loss_and_grad: true,
      ...(dtype !== 'float64' && { gradient_dtype: 'float32' }),
    },
    logits: { dtype, shape, data: encode(dtype, flatten(vector.logits)) },
  };
}
