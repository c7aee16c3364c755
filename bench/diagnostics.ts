import { Kernel } from '../kernels/kernel.ts';
import { cutBlock, plainBlock } from '../src/engine/block.ts';
import { evaluateBlock } from '../src/engine/evaluate-block.ts';
import { encode } from '../test/rows.ts';
import { leastWorst, mergeWorst } from '../src/diagnostics/worst-rows.ts';
import type { WorstRow } from '../src/diagnostics/worst-rows.ts';
import { DTYPE_BYTES } from '../src/tensor/dtype.ts';
import type { KernelDType } from '../src/tensor/dtype.ts';
import { forEachBlock } from './blocks.ts';
import type { Batch } from './blocks.ts';
import type { Comparison } from './comparison.ts';
import { makeLabels, makeLogits } from './logits.ts';
import { interleavedMedians } from './statistics.ts';

/**
 * Rows and classes: a usual batch; a large vocabulary, which has few rows per block; and a small batch, in which most
 * rows are among the worst.
 */
const SHAPES = [
  [1024, 32_000],
  [256, 128_000],
  [8, 8000],
] as const;
const BLOCK_BYTES = 2 ** 21;
const ROUNDS = 15;

/**
 * Number of logits above which the goal applies. Smaller batches take microseconds, and the time of the request would
 * dominate.
 */
const INLINE = 65_536;

const FINITE_GOAL = { atMost: 1.03 } as const;

/** Measures the extra time of diagnostics for finite logits, and for rows with a NaN. */
export async function benchDiagnostics(): Promise<Comparison[]> {
  const comparisons: Comparison[] = [];
  for (const [rows, classes] of SHAPES) {
    for (const dtype of ['float32', 'float16'] as const) comparisons.push(...(await benchBatch(dtype, rows, classes)));
  }
  return comparisons;
}

async function benchBatch(dtype: KernelDType, rows: number, classes: number): Promise<Comparison[]> {
  const kernel = Kernel.load();
  const labels = makeLabels(rows, classes);
  const finite = { dtype, logits: makeLogits(dtype, rows, classes), classes, labels };
  const kinds = [
    { what: '1 % of rows with a NaN', batch: withNaN(finite, 100) },
    { what: '100 % of rows with a NaN', batch: withNaN(finite, 1) },
  ];
  const milliseconds = await interleavedMedians(ROUNDS, [
    () => forEachBlock(kernel, finite, () => void kernel.forward()),
    () => diagnose(kernel, finite),
    ...kinds.map(
      ({ batch }) =>
        () =>
          diagnose(kernel, batch),
    ),
  ]);
  const [forward, plain, ...bad] = milliseconds;
  const name = `(${rows}, ${classes}), ${kernel.name(dtype)}`;
  const figure = (ms: number): string => `${ms.toFixed(ms < 1 ? 3 : 1)} ms`;
  return [
    {
      what: `diagnostics of finite logits, ${name}`,
      figure: figure(plain!),
      against: `the forward kernel alone ${figure(forward!)}`,
      value: plain! / forward!,
      unit: '×',
      ...(rows * classes > INLINE && { goal: FINITE_GOAL }),
    },
    ...kinds.map(({ what }, k): Comparison => ({
      what: `${what}, ${name}`,
      figure: figure(bad[k]!),
      against: `finite ${figure(plain!)}`,
      value: bad[k]! / plain!,
      unit: '×',
    })),
  ];
}

/** A batch with a NaN in the middle of every `every`-th row, where no kernel looks first. */
function withNaN(batch: Batch, every: number): Batch {
  const { dtype, classes, labels } = batch;
  const logits = Buffer.from(batch.logits);
  const nan = encode(dtype, [Number.NaN]);
  for (let row = 0; row < labels.length; row += every) {
    logits.set(nan, (row * classes + classes / 2) * DTYPE_BYTES[dtype]);
  }
  return { ...batch, logits };
}

/** Evaluates a batch block by block, with all diagnostics of the service. */
function diagnose(kernel: Kernel, { dtype, logits, classes, labels }: Batch): void {
  const block = plainBlock(dtype, classes, labels);
  const rowBytes = classes * DTYPE_BYTES[dtype];
  const rowsPerBlock = Math.floor(BLOCK_BYTES / rowBytes);
  let worst: readonly WorstRow[] = [];
  for (let row = 0; row < labels.length; row += rowsPerBlock) {
    const rows = Math.min(rowsPerBlock, labels.length - row);
    const next = { ...cutBlock(block, row, rows, 0), worstAbove: leastWorst(worst) };
    const { findings } = evaluateBlock(kernel, next, logits.subarray(row * rowBytes, (row + rows) * rowBytes));
    worst = mergeWorst(worst, findings.worst);
  }
}
