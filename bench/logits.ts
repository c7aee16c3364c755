import { encode, seededRandom } from '../test/rows.ts';
import type { KernelDType } from '../src/tensor/dtype.ts';

/**
 * Number of generated rows; a longer tensor repeats them, because generating rows takes longer than evaluating them.
 */
const DISTINCT_ROWS = 16;

/** A tensor (rows, classes) of logits uniform in ±10, the same in every run. */
export function makeLogits(dtype: KernelDType, rows: number, classes: number): Buffer<ArrayBuffer> {
  const random = seededRandom(1);
  const distinct = Float64Array.from({ length: Math.min(rows, DISTINCT_ROWS) * classes }, () => 20 * random() - 10);
  const bytes = encode(dtype, distinct);
  return Buffer.alloc((bytes.byteLength / Math.min(rows, DISTINCT_ROWS)) * rows, bytes);
}

/** Class probabilities (rows, classes), the same in every run. */
export function makeProbabilities(dtype: KernelDType, rows: number, classes: number): Buffer<ArrayBuffer> {
  const random = seededRandom(3);
  const distinct = Float64Array.from({ length: Math.min(rows, DISTINCT_ROWS) * classes }, random);
  for (let at = 0; at < distinct.length; at += classes) {
    const row = distinct.subarray(at, at + classes);
    const sum = row.reduce((a, b) => a + b, 0);
    row.forEach((value, c) => (row[c] = value / sum));
  }
  const bytes = encode(dtype, distinct);
  return Buffer.alloc((bytes.byteLength / Math.min(rows, DISTINCT_ROWS)) * rows, bytes);
}

/** A class for each row. */
export function makeLabels(rows: number, classes: number): Int32Array<ArrayBuffer> {
  const random = seededRandom(2);
  return Int32Array.from({ length: rows }, () => Math.floor(classes * random()));
}
