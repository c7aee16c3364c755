import { Kernel } from '../kernels/loader.ts';
import { cutBlock, evaluateBlock, plainBlock } from '../src/pool/block.ts';
import { encode } from '../test/rows.ts';
import { leastWorst, mergeWorst } from '../src/loss/worst-rows.ts';
import type { WorstRow } from '../src/loss/worst-rows.ts';
import { DTYPE_BYTES } from '../src/tensor/dtype.ts';
import type { FloatDType } from '../src/tensor/dtype.ts';
import { forEachBlock } from './blocks.ts';
import type { Batch } from './blocks.ts';
import type { Comparison } from './comparison.ts';
import { makeLabels, makeLogits } from './logits.ts';
import { interleavedMedians } from './statistics.ts';

const ROWS = 1024;
const CLASSES = 32_000;
const BLOCK_BYTES = 2 ** 21;
const ROUNDS = 15;

const FINITE_GOAL = { atMost: 1.03 } as const;

/** What the diagnostics cost: nothing while everything is finite, and how much when rows are bad. */
export async function benchDiagnostics(): Promise<Comparison[]> {
  return [...(await benchDType('float32')), ...(await benchDType('float16'))];
}

async function benchDType(dtype: FloatDType): Promise<Comparison[]> {
  const kernel = Kernel.load();
  const labels = makeLabels(ROWS, CLASSES);
  const finite = { dtype, logits: makeLogits(dtype, ROWS, CLASSES), classes: CLASSES, labels };
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
  const name = kernel.name(dtype);
  const figure = (ms: number): string => `${ms.toFixed(1)} ms`;
  return [
    {
      ...{ what: `diagnostics of finite logits, ${name}`, figure: figure(plain!) },
      ...{ against: `the forward kernel alone ${figure(forward!)}`, value: plain! / forward!, unit: '×' },
      goal: FINITE_GOAL,
    },
    ...kinds.map(({ what }, k): Comparison => ({
      ...{ what: `${what}, ${name}`, figure: figure(bad[k]!) },
      ...{ against: `finite ${figure(plain!)}`, value: bad[k]! / plain!, unit: '×' },
    })),
  ];
}

/** A batch in which every so-manieth row has a NaN in its middle, where no kernel looks first. */
function withNaN(batch: Batch, every: number): Batch {
  const { dtype } = batch;
  const logits = Buffer.from(batch.logits);
  const nan = encode(dtype, [Number.NaN]);
  for (let row = 0; row < ROWS; row += every) {
    logits.set(nan, (row * CLASSES + CLASSES / 2) * DTYPE_BYTES[dtype]);
  }
  return { ...batch, logits };
}

/** Evaluates a batch block by block, with all that the service finds out about it. */
function diagnose(kernel: Kernel, { dtype, logits, labels }: Batch): void {
  const block = plainBlock(dtype, CLASSES, labels);
  const rowBytes = CLASSES * DTYPE_BYTES[dtype];
  const rowsPerBlock = Math.floor(BLOCK_BYTES / rowBytes);
  let worst: WorstRow[] = [];
  for (let row = 0; row < ROWS; row += rowsPerBlock) {
    const rows = Math.min(rowsPerBlock, ROWS - row);
    const next = { ...cutBlock(block, row, rows, 0), worstAbove: leastWorst(worst) };
    const { findings } = evaluateBlock(kernel, next, logits.subarray(row * rowBytes, (row + rows) * rowBytes));
    worst = mergeWorst(worst, findings.worst);
  }
}
