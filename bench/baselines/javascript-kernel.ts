import type { KernelDType } from '../../src/tensor/dtype.ts';

/** Typed arrays of JavaScript for logits. */
type Values = Float16Array | Float32Array | Float64Array;

/**
 * −log softmax at each row's label, without WebAssembly: the row's maximum, then the sum of Math.exp, both in float64.
 * @param logits (rows, classes) elements of `dtype`, row-major
 */
export function javascriptNll(
  dtype: KernelDType,
  logits: Buffer<ArrayBuffer>,
  classes: number,
  labels: Int32Array,
): Float64Array {
  const rowOf = rowReader(dtype, logits, classes);
  return Float64Array.from(labels, (label, row) => rowNll(rowOf(row), label));
}

// Repeated in both functions: a shared function for the maximum makes V8's code half as fast.
function rowNll(row: Values, label: number): number {
  let max = -Infinity;
  for (let c = 0; c < row.length; c++) {
    const x = row[c]!;
    if (x > max) max = x;
  }
  let sum = 0;
  for (let c = 0; c < row.length; c++) sum += Math.exp(row[c]! - max);
  return max + Math.log(sum) - row[label]!;
}

/**
 * Gradient of Σ_rows nll with respect to the logits, s_c − [c = label], without WebAssembly. Computes the maximum,
 * stores the exponentials in the gradient, and divides them by their sum.
 * @param gradient (rows, classes) elements to overwrite
 */
export function javascriptGradient(
  dtype: KernelDType,
  logits: Buffer<ArrayBuffer>,
  classes: number,
  labels: Int32Array,
  gradient: Float32Array | Float64Array,
): void {
  const rowOf = rowReader(dtype, logits, classes);
  labels.forEach((label, row) => {
    rowGradient(rowOf(row), label, gradient.subarray(row * classes, (row + 1) * classes));
  });
}

function rowGradient(row: Values, label: number, gradient: Float32Array | Float64Array): void {
  let max = -Infinity;
  for (let c = 0; c < row.length; c++) {
    const x = row[c]!;
    if (x > max) max = x;
  }
  let sum = 0;
  for (let c = 0; c < row.length; c++) {
    const e = Math.exp(row[c]! - max);
    gradient[c] = e;
    sum += e;
  }
  const factor = 1 / sum;
  for (let c = 0; c < row.length; c++) gradient[c] = gradient[c]! * factor;
  gradient[label] = gradient[label]! - 1;
}

function rowReader(dtype: KernelDType, logits: Buffer<ArrayBuffer>, classes: number): (row: number) => Values {
  const { buffer } = logits;
  if (dtype !== 'bfloat16') {
    const View = { float16: Float16Array, float32: Float32Array, float64: Float64Array }[dtype];
    return (row) => new View(buffer, logits.byteOffset + row * classes * View.BYTES_PER_ELEMENT, classes);
  }
  const halves = new Uint16Array(buffer, logits.byteOffset);
  const words = new Uint32Array(classes);
  const values = new Float32Array(words.buffer);
  return (row) => {
    for (let c = 0, at = row * classes; c < classes; c++) words[c] = halves[at + c]! << 16;
    return values;
  };
}
