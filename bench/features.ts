import { Kernel } from '../kernels/kernel.ts';
import type { Variant } from '../kernels/instance.ts';
import { denominatorsOf } from '../src/loss/denominators.ts';
import { gradientCoefficients } from '../src/loss/gradient.ts';
import { parseOptions, smoothingOf, transformOf } from '../src/loss/options.ts';
import { needsEveryRow, statisticsOf } from '../src/loss/requested.ts';
import { selectTargets } from '../src/loss/targets.ts';
import { runAtOnce } from '../src/steps.ts';
import { cutBlock, plainPlan, wholeBlock } from '../src/engine/block.ts';
import type { Block, BlockPlan, BlockResult } from '../src/engine/block.ts';
import { evaluateBlock } from '../src/engine/evaluate-block.ts';
import { DTYPE_BYTES } from '../src/tensor/dtype.ts';
import type { KernelDType } from '../src/tensor/dtype.ts';
import { elementsOf } from '../src/tensor/tensor.ts';
import type { Tensor } from '../src/tensor/tensor.ts';
import { javascriptGradient } from './baselines/javascript-kernel.ts';
import { requireAgreement } from './agreement.ts';
import { forEachBlock, plainCoefficients } from './blocks.ts';
import type { Batch } from './blocks.ts';
import type { Comparison } from './comparison.ts';
import { makeLabels, makeLogits, makeProbabilities } from './logits.ts';
import { gigabytesPerSecond, interleavedMedians } from './statistics.ts';

const ROWS = 256;
const CLASSES = 32000;
const BLOCK_BYTES = 2 ** 21;
const ROUNDS = 9;

/**
 * Tolerance in comparison with an element of the softmax, which is 1/CLASSES on average. At the target the gradient is
 * −1 with a rounding of float32; the derivative of softcap adds to it.
 */
const GRADIENT_TOLERANCE = 1e-7;

const GRADIENTS: readonly { dtype: KernelDType; variant: Variant; goal?: { atLeast: number } }[] = [
  { dtype: 'float32', variant: 'strict' },
  { dtype: 'float32', variant: 'relaxed', goal: { atLeast: 0.5 } },
  { dtype: 'bfloat16', variant: 'relaxed' },
  { dtype: 'float16', variant: 'relaxed' },
  { dtype: 'float64', variant: 'relaxed' },
];

/** Result that a request can request in addition to its loss. */
interface Feature {
  name: string;
  options: Record<string, unknown>;
  weight?: boolean;
  probabilities?: boolean;
  /** Greatest time, as a multiple of the plain forward. */
  goal?: number;
}

const PLAIN: Feature = { name: 'plain', options: {} };

const FEATURES: readonly Feature[] = [
  ...['per_token_loss', 'lse', 'predictions', 'target_rank', 'entropy'].map((output) => ({
    name: `outputs ${output}`,
    options: { outputs: [output] },
  })),
  { name: 'outputs gradient', options: { outputs: ['gradient'] }, goal: 2 },
  ...['accuracy', 'top5_accuracy', 'mean_entropy', 'ece'].map((metric) => ({
    name: `metrics ${metric}`,
    options: { metrics: [metric] },
  })),
  { name: 'label_smoothing', options: { label_smoothing: 0.1 } },
  { name: 'label_smoothing, weight', options: { label_smoothing: 0.1 }, weight: true, goal: 1.5 },
  { name: 'lse_square_scale', options: { lse_square_scale: 1e-4 } },
  { name: 'softcap', options: { softcap: 30 }, goal: 3.5 },
  { name: 'softcap, outputs gradient', options: { softcap: 30, outputs: ['gradient'] } },
  { name: 'logit_scale', options: { logit_scale: 0.5 }, goal: 1.2 },
  { name: 'logit_scale, outputs gradient', options: { logit_scale: 0.5, outputs: ['gradient'] } },
  { name: 'check_for_nan_in_loss_and_grad', options: { check_for_nan_in_loss_and_grad: true } },
  { name: 'parallel_config, model_parallel 4', options: { parallel_config: { model_parallel: 4 } } },
  { name: 'class probabilities', options: {}, probabilities: true },
  { name: 'class probabilities, outputs gradient', options: { outputs: ['gradient'] }, probabilities: true },
];

/** Measures the gradient, and the cost of each output, metric and option, on one thread. */
export async function benchFeatures(): Promise<Comparison[]> {
  const comparisons: Comparison[] = [];
  for (const gradient of GRADIENTS) comparisons.push(...(await benchGradient(gradient)));
  return [...comparisons, ...(await benchCosts())];
}

/** Compares forward and gradient, which stays in the kernels' memory, with plain JavaScript and with forward only. */
async function benchGradient({ dtype, variant, goal }: (typeof GRADIENTS)[number]): Promise<Comparison[]> {
  const logits = makeLogits(dtype, ROWS, CLASSES);
  const labels = makeLabels(ROWS, CLASSES);
  const kernel = Kernel.load(variant);
  const computed = dtype === 'float64' ? 'float64' : 'float32';
  const expected = new (dtype === 'float64' ? Float64Array : Float32Array)(ROWS * CLASSES);
  const batch: Batch = { dtype, logits, classes: CLASSES, labels };
  const javascript = (): void => javascriptGradient(dtype, logits, CLASSES, labels, expected);
  const forward = (): void => forEachBlock(kernel, batch, () => void kernel.forward());
  const withGradient = (): void =>
    forEachBlock(kernel, batch, (_, rows) => void kernel.forwardWithGradient(plainCoefficients(rows, 1)));

  javascript();
  forEachBlock(kernel, batch, (row, rows) => {
    kernel.forwardWithGradient(plainCoefficients(rows, 1));
    const actual = elementsOf({ dtype: computed, shape: [], data: kernel.gradient(computed) });
    const at = row * CLASSES;
    requireAgreement(`${dtype} gradient`, actual, expected.subarray(at, at + actual.length), GRADIENT_TOLERANCE);
  });

  const milliseconds = await interleavedMedians(ROUNDS, [javascript, forward, withGradient]);
  const [ofJavascript, ofForward, ofBoth] = milliseconds.map((ms) => gigabytesPerSecond(logits.byteLength, ms));
  const what = `forward + gradient ${kernel.name(dtype)}, one thread`;
  const figure = `${ofBoth!.toFixed(2)} GB/s`;
  return [
    {
      what,
      figure,
      against: `JavaScript ${ofJavascript!.toFixed(2)} GB/s`,
      value: ofBoth! / ofJavascript!,
      unit: '×',
    },
    {
      what,
      figure,
      against: `forward ${ofForward!.toFixed(2)} GB/s`,
      value: ofBoth! / ofForward!,
      unit: '×',
      ...(goal && { goal }),
    },
  ];
}

/** Measures evaluations with each feature, block by block like the service, as multiples of the plain forward. */
async function benchCosts(): Promise<Comparison[]> {
  const kernel = Kernel.load();
  // The gradient is returned in the slab of its logits.
  const slab = new ArrayBuffer(BLOCK_BYTES);
  const runs = [PLAIN, ...FEATURES].map((feature) => {
    const blocks = blocksOf(feature, 'float32');
    requireSameInFloat64(feature, evaluateBlock(kernel, blocks[0]!.block, blocks[0]!.logits));
    return () => blocks.map(({ block, logits }) => evaluateBlock(kernel, block, logits, slab));
  });

  const [plain, ...others] = await interleavedMedians(ROUNDS, runs);
  const figure = (milliseconds: number): string => `${milliseconds.toFixed(1)} ms`;
  return FEATURES.map(({ name, goal }, k) => ({
    what: `${name}, ${kernel.name('float32')}`,
    figure: figure(others[k]!),
    against: `plain ${figure(plain!)}`,
    value: others[k]! / plain!,
    unit: '×',
    ...(goal !== undefined && { goal: { atMost: goal } }),
  }));
}

/** Blocks of a batch, divided like those of the evaluator. */
function blocksOf(feature: Feature, dtype: KernelDType, rows = ROWS): { block: Block; logits: Uint8Array }[] {
  const logits = makeLogits(dtype, rows, CLASSES);
  const rowBytes = CLASSES * DTYPE_BYTES[dtype];
  const rowsPerBlock = Math.floor(BLOCK_BYTES / (CLASSES * DTYPE_BYTES.float32));
  const batch = batchOf(feature, dtype, rows);
  return Array.from({ length: Math.ceil(rows / rowsPerBlock) }, (_, k) => {
    const first = k * rowsPerBlock;
    const count = Math.min(rowsPerBlock, rows - first);
    return {
      block: cutBlock(batch, first, count, 0),
      logits: logits.subarray(first * rowBytes, (first + count) * rowBytes),
    };
  });
}

function batchOf({ options: given, weight, probabilities }: Feature, dtype: KernelDType, rows: number): Block {
  const options = parseOptions(given);
  const labels = Buffer.from(makeLabels(rows, CLASSES).buffer);
  const label: Tensor =
    probabilities === true
      ? { dtype: 'float32', shape: [rows, CLASSES], data: makeProbabilities('float32', rows, CLASSES) }
      : { dtype: 'int32', shape: [rows], data: labels };
  const fields = { label, inputMask: undefined, weight: weight === true ? weightOfClasses() : undefined };
  const targets = runAtOnce(selectTargets([rows, CLASSES], fields, options));
  const returnsGradient = options.outputs.includes('gradient');
  const smoothing = smoothingOf(options, CLASSES);
  const facts = { classes: CLASSES, smoothing, denominators: runAtOnce(denominatorsOf(targets)) };
  const differentiates = returnsGradient || options.check_for_nan_in_loss_and_grad;
  const plan: BlockPlan = {
    ...plainPlan(dtype, CLASSES),
    statistics: statisticsOf(options, targets),
    everyRow: needsEveryRow(options),
    transform: transformOf(options),
    classWeights: targets.classWeights,
    shards: options.parallel_config.model_parallel,
    gradientDType: returnsGradient ? dtype : undefined,
  };
  return {
    ...wholeBlock(plan, targets.classes),
    probabilities: targets.probabilities,
    coefficients: differentiates ? runAtOnce(gradientCoefficients(targets, options, facts)) : undefined,
  };
}

function weightOfClasses(): Tensor {
  const weights = Float64Array.from({ length: CLASSES }, (_, c) => 0.5 + (c % 8) / 8);
  return { dtype: 'float64', shape: [CLASSES], data: new Uint8Array(weights.buffer) };
}

/** Compares the first block with the strict kernel in float64, on values that plain JavaScript has transformed. */
function requireSameInFloat64(feature: Feature, { columns, gradient }: BlockResult): void {
  const { block, logits } = blocksOf(feature, 'float32')[0]!;
  const given = Float64Array.from(elementsOf({ dtype: 'float32', shape: [], data: logits }));
  const { scale, cap } = block.plan.transform ?? { scale: 1, cap: undefined };
  const x = given.map((value) => (cap === undefined ? scale * value : cap * Math.tanh((scale * value) / cap)));
  const expected = evaluateBlock(
    Kernel.load('strict'),
    {
      ...block,
      plan: { ...block.plan, dtype: 'float64', transform: undefined, gradientDType: gradient && 'float64' },
    },
    new Uint8Array(x.buffer),
  );
  for (const [name, column] of Object.entries(expected.columns)) {
    requireAgreement(`${feature.name}, ${name}`, columns[name as keyof typeof columns]!, column);
  }
  if (gradient === undefined) return;
  const slopes = x.map((value) => (cap === undefined ? scale : scale * (1 - (value / cap) ** 2)));
  const g = elementsOf({ dtype: 'float64', shape: [], data: expected.gradient! });
  requireAgreement(
    `${feature.name}, gradient`,
    elementsOf({ dtype: 'float32', shape: [], data: gradient }),
    g.map((value, k) => value * slopes[k]!),
    ((cap === undefined ? 1 : 5) * GRADIENT_TOLERANCE) / ROWS,
  );
}
