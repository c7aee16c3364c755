import { Kernel } from '../kernels/kernel.ts';
import type { Variant } from '../kernels/instance.ts';
import type { KernelDType } from '../src/tensor/dtype.ts';
import { javascriptNll } from './baselines/javascript-kernel.ts';
import { kernelNll } from './blocks.ts';
import type { Batch } from './blocks.ts';
import { makeLabels, makeLogits } from './logits.ts';
import { gigabytesPerSecond, interleave, median, time, warmUp } from './statistics.ts';
import { requireAgreement } from './agreement.ts';
import type { Comparison } from './comparison.ts';

const ROWS = 1024;
const CLASSES = 32000;
const ROUNDS = 7;

const DTYPES: readonly KernelDType[] = ['float32', 'bfloat16', 'float16', 'float64'];
const VARIANTS: readonly Variant[] = ['strict', 'relaxed'];

interface Contestant {
  name: string;
  nll: () => Float64Array;
  milliseconds: number[];
}

/** Compares the kernels with plain JavaScript, on one thread and block by block like the service. */
export async function benchKernels(): Promise<Comparison[]> {
  const comparisons: Comparison[] = [];
  for (const dtype of DTYPES) comparisons.push(...(await benchDType(dtype)));
  return comparisons;
}

async function benchDType(dtype: KernelDType): Promise<Comparison[]> {
  const logits = makeLogits(dtype, ROWS, CLASSES);
  const labels = makeLabels(ROWS, CLASSES);
  const contestants: Contestant[] = [
    { name: 'JavaScript', nll: () => javascriptNll(dtype, logits, CLASSES, labels), milliseconds: [] },
    ...VARIANTS.map((variant) => contestantOf(Kernel.load(variant), { dtype, logits, classes: CLASSES, labels })),
  ];
  const [expected, ...results] = contestants.map(({ nll }) => nll());
  for (const nll of results) requireAgreement(`${dtype} kernel`, nll, expected!);

  for (const { nll } of contestants) warmUp(nll);
  await interleave(
    ROUNDS,
    contestants.map(
      ({ nll, milliseconds }) =>
        () =>
          void milliseconds.push(time(nll)),
    ),
  );
  const [javascript, ...kernels] = contestants.map(({ name, milliseconds }) => ({
    name,
    speed: gigabytesPerSecond(logits.byteLength, median(milliseconds)),
  }));
  return kernels.map(({ name, speed }) => ({
    what: `kernel ${name}, one thread`,
    figure: `${speed.toFixed(2)} GB/s`,
    against: `JavaScript ${javascript!.speed.toFixed(2)} GB/s`,
    value: speed / javascript!.speed,
    unit: '×',
  }));
}

function contestantOf(kernel: Kernel, batch: Batch): Contestant {
  return { name: kernel.name(batch.dtype), nll: () => kernelNll(kernel, batch), milliseconds: [] };
}
