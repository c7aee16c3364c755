/** Random requests whose labels, maxima, offsets, masks and weights lie far apart. A seed gives the same on all machines. */
import type { Options } from '../../src/loss/options.ts';
import { KERNEL_DTYPES } from '../../src/tensor/dtype.ts';
import type { KernelDType } from '../../src/tensor/dtype.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { decode, encode, seededRandom } from '../rows.ts';
import type { Batch } from '../wire/formats.ts';

export interface PrecisionRequest {
  /** Name in the messages of failures. */
  name: string;
  variant: 'strict' | 'relaxed';
  format: 'MessagePack' | 'JSON with base64' | 'safetensors';
  dtype: KernelDType;
  rows: number;
  classes: number;
  /** Logits after rounding to the dtype. */
  logits: Float64Array;
  /** Class indices, or class probabilities (rows, classes). */
  label: { indices: number[] } | { dtype: KernelDType; probabilities: Float64Array };
  mask: Float64Array | undefined;
  weight: Float64Array | undefined;
  options: Partial<Options>;
  /** Ends of shards of the vocabulary, whose partials are combined; undefined to evaluate the rows whole. */
  shardEnds: number[] | undefined;
}

const GREATEST: Record<KernelDType, number> = {
  float16: 65504,
  bfloat16: 3.3895313892515355e38,
  float32: 3.4028234663852886e38,
  float64: 1e300,
};

class Draw {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  unit(): number {
    return this.#random();
  }

  chance(probability: number): boolean {
    return this.#random() < probability;
  }

  between(low: number, high: number): number {
    return low + (high - low) * this.#random();
  }

  integer(low: number, high: number): number {
    return Math.floor(this.between(low, high + 1));
  }

  of<T>(choices: readonly T[]): T {
    return choices[this.integer(0, choices.length - 1)]!;
  }

  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.unit())) * Math.cos(2 * Math.PI * this.unit());
  }

  /** 10^u with u uniform. */
  magnitude(low: number, high: number): number {
    return 10 ** this.between(low, high);
  }

  subset<T>(choices: readonly T[], probability: number): T[] {
    return choices.filter(() => this.chance(probability));
  }
}

/** The k-th request of a seed. */
export function makeRequest(seed: number, index: number): PrecisionRequest {
  const draw = new Draw((Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b)) >>> 0);
  const dtype = draw.of(KERNEL_DTYPES);
  const classes = drawClasses(draw);
  const rows = classes > LONG ? 1 : draw.integer(1, 4);
  const isSoft = draw.chance(0.25);
  const transformed = draw.chance(0.2);
  const smoothing = draw.chance(0.35) ? draw.of([0.1, 0.5, draw.unit()]) : 0;
  const indices = Array.from({ length: rows }, () => draw.integer(0, classes - 1));
  const far = drawFar(draw, dtype);
  const raw = indices.flatMap((y) => drawRow(draw, { dtype, classes, y, far, minusInf: smoothing === 0 && !isSoft }));
  const logits = decode(dtype, encode(dtype, raw));
  const { mask, weight } = drawMultipliers(draw, { rows, classes, smoothing });
  const options = drawOptions(draw, { rows, classes, isSoft, smoothing });
  if (transformed) Object.assign(options, drawTransform(draw, logits));
  const label = isSoft ? drawProbabilities(draw, { rows, classes }) : { indices: drawIgnored(draw, indices) };
  const isSharded = classes > 1 && draw.chance(0.3);
  return {
    name: `seed ${seed}, request ${index}`,
    variant: draw.of(['strict', 'relaxed']),
    format: draw.of(['MessagePack', 'JSON with base64', 'safetensors']),
    ...{ dtype, rows, classes, logits, label, mask, weight },
    options: isSharded ? shardable(options, isSoft) : options,
    shardEnds: isSharded ? drawEnds(draw, classes) : undefined,
  };
}

function drawClasses(draw: Draw): number {
  const kind = draw.unit();
  if (kind < 0.65) return draw.integer(1, 8);
  if (kind < 0.95) return draw.integer(9, 24);
  return kind < 0.985 ? draw.integer(250, 300) : draw.integer(1020, 1100);
}

/** Number of classes above which a row repeats a few values, so that the oracle needs few exponentials. */
const LONG = 60;

function drawFar(draw: Draw, dtype: KernelDType): number {
  const distances = [15, 30, 80, 100, 700, 1e3, 1e4, 6e4, 1e17, 1e20, 1e30, 3e38, GREATEST[dtype]];
  return draw.of(distances.filter((distance) => distance <= GREATEST[dtype]));
}

type RowPlan = { dtype: KernelDType; classes: number; y: number; far: number; minusInf: boolean };

function drawRow(draw: Draw, { dtype, classes, y, far, minusInf }: RowPlan): number[] {
  const greatest = GREATEST[dtype];
  const levels = Array.from({ length: classes > LONG ? 6 : classes }, () => 3 * draw.normal());
  const row = Array.from({ length: classes }, (_, c) => (classes > LONG ? draw.of(levels) : levels[c]!));
  const offset = draw.of([0, 0, 0, 100, -1e4, 3e4, far, -far]);
  switch (draw.integer(0, 8)) {
    case 0:
      return row;
    case 1:
      return row.map((x) => clamp(x + offset, greatest));
    case 2:
      return row.map(() => clamp(0.1 + offset, greatest));
    case 3:
      return row.with(y, -far);
    case 4:
      return row.with(y, far);
    case 5:
      return row.map((x) => (draw.chance(0.3) ? far : draw.chance(0.1) ? -far : x));
    case 6:
      return row.map((x) => Math.sign(x) * clamp(draw.of(levels.map(Math.abs)) * 10 ** (6 * levels[0]!), greatest));
    case 7:
      return row.map((x, c) => (minusInf && c !== y && draw.chance(0.3) ? -Infinity : x));
    default: {
      // A confident row with a chosen loss.
      const rest = row.reduce((sum, x, c) => sum + (c === y ? 0 : Math.exp(x)), 0);
      const nll = draw.magnitude(dtype === 'float64' ? -250 : -9, 0);
      return row
        .with(y, rest === 0 ? 0 : Math.log(rest / nll))
        .map((x) => clamp(x + (draw.chance(0.5) ? offset : 0), greatest));
    }
  }
}

function clamp(x: number, greatest: number): number {
  return Math.min(greatest, Math.max(-greatest, x));
}

/** Draws mask and weights. Products of factors that occur together stay within the range of float64. */
function drawMultipliers(
  draw: Draw,
  { rows, classes, smoothing }: { rows: number; classes: number; smoothing: number },
): Pick<PrecisionRequest, 'mask' | 'weight'> {
  const [hasMask, hasWeight] = [draw.chance(0.5), draw.chance(0.35)];
  const reach = hasMask && hasWeight ? 70 : hasWeight && smoothing > 0 ? 140 : 300;
  const kind = draw.integer(0, 3);
  const size = draw.magnitude(-reach, reach);
  const drawOne = (): number => {
    if (kind === 0) return draw.integer(0, 1);
    if (kind === 1) return draw.between(0, 2);
    return kind === 2 ? size * draw.between(0.5, 1) : draw.magnitude(-reach, reach);
  };
  return {
    mask: hasMask ? Float64Array.from({ length: rows }, drawOne) : undefined,
    weight: hasWeight ? Float64Array.from({ length: classes }, drawOne) : undefined,
  };
}

function drawIgnored(draw: Draw, indices: number[]): number[] {
  return indices.map((y) => (draw.chance(0.1) ? -100 : y));
}

function drawProbabilities(draw: Draw, { rows, classes }: { rows: number; classes: number }) {
  const dtype = draw.of(KERNEL_DTYPES);
  const levels = Array.from({ length: 6 }, () => draw.unit());
  const values = Array.from({ length: rows }, () => {
    if (draw.chance(0.2)) return Array.from({ length: classes }, () => 0).with(draw.integer(0, classes - 1), 1);
    const row = Array.from({ length: classes }, () => (draw.chance(0.3) ? 0 : draw.of(levels)));
    const sum = row.reduce((total, p) => total + p, 0);
    return row.map((p) => (sum === 0 ? 1 / classes : p / sum));
  });
  return { dtype, probabilities: decode(dtype, encode(dtype, values.flat())) };
}

interface OptionPlan {
  rows: number;
  classes: number;
  isSoft: boolean;
  smoothing: number;
}

function drawOptions(draw: Draw, { rows, classes, isSoft, smoothing }: OptionPlan): Partial<Options> {
  const divisors = (n: number): number[] => Array.from({ length: n }, (_, k) => k + 1).filter((k) => n % k === 0);
  // Megatron refuses label smoothing with a single class.
  const semantics = draw.of(['mindformers', 'torch', ...(classes > 1 || smoothing === 0 ? ['megatron'] : [])] as const);
  return {
    semantics: semantics as Options['semantics'],
    reduction: draw.of(['mean', 'mean', 'sum', 'none']),
    ...(smoothing > 0 && { label_smoothing: smoothing }),
    ...(draw.chance(0.3) && { lse_square_scale: draw.of([1e-4, 0.1, draw.magnitude(-20, 3)]) }),
    ...(rows > 1 && draw.chance(0.15) && { shift: draw.integer(1, rows - 1) }),
    ...(draw.chance(0.15) && { calculate_per_token_loss: true }),
    ...(!isSoft && draw.chance(0.1) && { ignore_index: [-100, draw.integer(0, classes - 1)] }),
    check_for_nan_in_loss_and_grad: draw.chance(0.6),
    ...(draw.chance(0.3) && {
      parallel_config: {
        data_parallel: draw.of(divisors(rows)),
        model_parallel: draw.of(divisors(classes).slice(0, 6)),
      },
    }),
    outputs: draw.subset(['per_token_loss', 'lse', 'gradient', 'predictions', 'target_rank', 'entropy'], 0.6),
    metrics: draw.subset(['accuracy', 'top5_accuracy', 'mean_entropy', 'ece'], 0.4),
    ...(draw.chance(0.3) && { gradient_dtype: 'float32' as const }),
  };
}

/** Draws a transform. Transformed logits stay within ±1e4, where float64 has the promised accuracy. */
function drawTransform(draw: Draw, logits: Float64Array): Partial<Options> {
  const softcap = draw.chance(0.5) ? draw.magnitude(0, 3) : undefined;
  const most = logits.reduce((top, x) => (Number.isFinite(x) ? Math.max(top, Math.abs(x)) : top), 0);
  const logit_scale = most > 1e3 && softcap === undefined ? draw.magnitude(0, 4) / most : draw.magnitude(-2, 1);
  return { logit_scale, ...(softcap !== undefined && { softcap }) };
}

/** Keeps the options and outputs that partials support. */
function shardable({ parallel_config: parallel, ...options }: Partial<Options>, isSoft: boolean): Partial<Options> {
  return {
    ...options,
    ...(parallel && { parallel_config: { data_parallel: parallel.data_parallel, model_parallel: 1 } }),
    outputs: options.outputs!.filter((name) => ['per_token_loss', 'lse', 'predictions'].includes(name)),
    metrics: options.metrics!.filter((name) => name === 'accuracy'),
    check_for_nan_in_loss_and_grad: options.check_for_nan_in_loss_and_grad! && !isSoft && options.softcap === undefined,
  };
}

function drawEnds(draw: Draw, classes: number): number[] {
  const inner = Array.from({ length: draw.integer(1, 3) }, () => draw.integer(1, classes - 1));
  return [...new Set(inner), classes].toSorted((a, b) => a - b);
}

/** Fields of the request, over a range of classes; default all classes. */
export function batchOf(request: PrecisionRequest, [first, end]: [number, number] = [0, request.classes]): Batch {
  const { dtype, rows, classes, logits, label, mask, weight, options } = request;
  const cut = (values: Float64Array): number[] =>
    Array.from({ length: rows }, (_, r) => Array.from(values.subarray(r * classes + first, r * classes + end))).flat();
  const float64 = (values: Float64Array): Tensor => ({
    dtype: 'float64',
    shape: [values.length],
    data: encode('float64', values),
  });
  const shape = [rows, end - first];
  return {
    logits: { dtype, shape, data: encode(dtype, cut(logits)) },
    label:
      'indices' in label
        ? { dtype: 'int32', shape: [rows], data: new Uint8Array(Int32Array.from(label.indices).buffer) }
        : { dtype: label.dtype, shape, data: encode(label.dtype, cut(label.probabilities)) },
    ...(mask && { input_mask: float64(mask) }),
    ...(weight && { weight: float64(weight.subarray(first, end)) }),
    options,
    ...(request.shardEnds && { vocab_start: first, vocab_size: classes }),
  };
}
