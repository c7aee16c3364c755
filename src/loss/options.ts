import { Type, Value } from '#typebox';
import type { Static } from '#typebox';
import type { Transform } from '../../kernels/transform.ts';
import { refuse } from '../errors.ts';
import { OptionReader, withoutNulls } from '../option-reader.ts';
import { METRICS, STATISTIC_OUTPUTS } from '../statistics/list.ts';
import type { StatisticOutput } from '../statistics/list.ts';
import { MAX_RANK } from '../tensor/shape.ts';

/** Names of outputs that are tensors. */
export type TensorOutput = 'per_token_loss' | 'gradient' | StatisticOutput;
/** Names of outputs that are tensors, in the order in which they were published. */
export const TENSOR_OUTPUTS = [
  ...new Set<TensorOutput>(['per_token_loss', 'lse', 'gradient', ...namesOf(STATISTIC_OUTPUTS)]),
];

/** Names that `outputs` accepts. */
const OUTPUTS = [...TENSOR_OUTPUTS, 'sequences'] as const;

/** Names that `metrics` accepts. */
const METRIC_NAMES = namesOf(METRICS);

function namesOf<Name extends string>(table: Readonly<Record<Name, unknown>>): Name[] {
  return Object.keys(table) as Name[];
}

/** Documentation of the names of a table, one sentence for each. */
function describe(table: Readonly<Record<string, { description: string; dtype?: string }>>): string {
  return Object.entries(table)
    .map(([name, { description, dtype }]) => `\`${name}\`${dtype === undefined ? '' : ` (${dtype})`}: ${description}.`)
    .join(' ');
}

/** Maximum number of places of non-finite logits in an answer. */
export const MOST_LOCATIONS = 4096;

/** Schema of the number of parts into which a sharded trainer divides one axis. */
const degree = (maximum: number, description: string, example: number) =>
  Type.Optional(Type.Integer({ default: 1, minimum: 1, maximum, description, examples: [example] }));

const LabelValue = Type.Integer({ minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER });

/**
 * The options of an evaluation, under their names on the wire. With lse = log Σ_c exp x_c, nll = lse − x_y, class
 * weights w (default 1) and W = Σ_c w_c, a row's cross-entropy is
 * ℓ = (1−ε)·w_y·nll + (ε/C)·(W·lse − Σ_c w_c·x_c), and for class probabilities p, with p' = (1−ε)·p + ε/C,
 * ℓ = Σ_c w_c·p'_c·(lse − x_c); m is its mask (default 1). N = Σ m·ℓ, D = Σ m·w_y (Σ m for probabilities), Z = λ·Σ m·lse²
 * and D_z = Σ m run over counted rows, those with m ≠ 0 whose label is not ignored.
 */
export const Options = Type.Object(
  {
    reduction: Type.Enum(['mean', 'sum', 'none'], {
      default: 'mean',
      description:
        'Reduction of the row losses to one. `mean`: N / D + Z / D_z, with D_z = Σ m over counted rows, and D and D_z changed by `semantics`. `sum`: N + Z. `none`: no `loss`; the row losses m·(ℓ + λ·lse²) are returned as `outputs.per_token_loss`, 0 for rows that are not counted.',
      examples: ['sum'],
    }),
    ignore_index: Type.Union([LabelValue, Type.Array(LabelValue, { maxItems: 1024 })], {
      default: -100,
      description:
        'Label, or labels, whose rows are left out, even if the label is not in [0, C). An empty list ignores nothing. Rejected with class probabilities.',
      examples: [-100, [-100, 0]],
    }),
    label_smoothing: Type.Number({
      default: 0,
      minimum: 0,
      maximum: 1,
      description:
        'Smoothing ε: mixes the target with the uniform distribution. For class indices, ℓ = (1−ε)·w_y·nll + (ε/C)·Σ_c w_c·(lse − x_c). For class probabilities p, ℓ = Σ_c w_c·p′_c·(lse − x_c) with p′ = (1−ε)·p + ε/C. With `semantics: "megatron"`, ε·C/(C−1) replaces ε; ε = 1 and C = 1 are rejected.',
      examples: [0.1],
    }),
    lse_square_scale: Type.Number({
      default: 0,
      minimum: 0,
      maximum: Number.MAX_VALUE,
      description:
        'Coefficient λ of the z-loss Z = λ·Σ m·lse², which keeps logits from drifting. Z is separate from N, and `weight` does not apply to it.',
      examples: [0.0001],
    }),
    softcap: Type.Optional(
      Type.Number({
        exclusiveMinimum: 0,
        minimum: 0,
        maximum: Number.MAX_VALUE,
        description:
          'Cap s: replaces each logit x by s·tanh(x / s), after `logit_scale`. Default: no cap. ±Inf become ±s, and are still reported.',
        examples: [30],
      }),
    ),
    logit_scale: Type.Number({
      default: 1,
      exclusiveMinimum: 0,
      minimum: 0,
      maximum: Number.MAX_VALUE,
      description: 'Factor on the logits, applied before anything else: 1 / temperature.',
      examples: [0.5],
    }),
    class_axis: Type.Integer({
      default: -1,
      minimum: -MAX_RANK,
      maximum: MAX_RANK - 1,
      description:
        'Axis of the classes in the logits; a negative number counts from the end. PyTorch uses axis 1. Class indices have the other axes; class probabilities and the gradient have all axes of the logits. Rows follow the other axes in their order, and `shift` applies along the last of them. When the class axis is not the last axis, the service buffers that axis and all later axes: for logits of shape (N, C, …), blocks of shape (C, …).',
      examples: [1],
    }),
    shift: Type.Integer({
      default: 0,
      minimum: 0,
      maximum: 2 ** 31 - 1,
      description:
        'Causal shift k along axis −2: logits at position t are scored against label and mask at t + k. The last k positions are left out: `rows.total` does not count them, and row outputs are k shorter along that axis. Logits with two axes are one sequence. With `segments`, the last k rows of each segment are left out instead, and row outputs are flat.',
      examples: [1],
    }),
    semantics: Type.Enum(['mindformers', 'torch', 'megatron'], {
      default: 'mindformers',
      description:
        'Denominator of the mean; the same rule applies to D and D_z. `mindformers`: D + 1e-8, so the mean is 0 when nothing is counted. `torch`: D, so the mean is NaN when nothing is counted; class weights, and so D, may be negative. `megatron`: max(D, 1).',
      examples: ['torch'],
    }),
    invalid_label: Type.Enum(['error', 'zero_loss'], {
      default: 'error',
      description:
        'Treatment of a counted row whose label is not in [0, C). `error`: the answer is 422 with the place of the label. `zero_loss`: the row has the loss 0, whatever its logits are, and is still counted. With `ignore_index: []`, `zero_loss` matches mindformers.core.CrossEntropyLoss.',
      examples: ['zero_loss'],
    }),
    calculate_per_token_loss: Type.Boolean({
      default: false,
      description:
        "Megatron's pair: the answer has `numerator` = N and `denominator` = D but no `loss`; the caller sums both over ranks and divides.",
      examples: [true],
    }),
    check_for_nan_in_loss_and_grad: Type.Boolean({
      default: false,
      description:
        'Adds the Euclidean norm of the gradient, and the local loss of each data-parallel group, to the diagnostics. Both are also logged. The gradient itself is not returned.',
      examples: [true],
    }),
    parallel_config: Type.Object(
      {
        data_parallel: degree(
          65_536,
          'Number of groups of consecutive rows, of equal size. The diagnostics have the local loss of each group.',
          4,
        ),
        model_parallel: degree(
          4096,
          'Number of shards of consecutive classes, of equal size. Each shard is evaluated alone; the results are then merged.',
          2,
        ),
      },
      {
        title: 'ParallelConfig',
        additionalProperties: false,
        default: { data_parallel: 1, model_parallel: 1 },
        description:
          'The division of the batch by a sharded trainer: rows into `data_parallel` groups, classes into `model_parallel` shards. Rejected when the division leaves a remainder. The local loss of a group is Σ m·ℓ / (Σ m + 1e-8) over its counted rows, under every `semantics`. Shards change lse by less than one unit in the last place of float32; gradient, ranks and entropy are computed from whole rows.',
        examples: [{ data_parallel: 4, model_parallel: 2 }],
      },
    ),
    on_non_finite: Type.Enum(['report', 'reject'], {
      default: 'report',
      description:
        'Answer when loss, numerator or z_loss is not finite: `report` answers 200 with the value, `reject` answers 422 `non_finite_loss` with the same `diagnostics` in the problem.',
      examples: ['reject'],
    }),
    max_locations: Type.Integer({
      default: 16,
      minimum: 0,
      maximum: MOST_LOCATIONS,
      description: 'Maximum number of non-finite logits that the diagnostics list: the first ones in row-major order.',
      examples: [64],
    }),
    gradient_dtype: Type.Optional(
      Type.Enum(['float32'], {
        description: 'The dtype of `outputs.gradient`. Default: the dtype of the logits; float32 for float8 logits.',
        examples: ['float32'],
      }),
    ),
    outputs: Type.Array(Type.Enum([...OUTPUTS], { title: 'OutputName' }), {
      default: [],
      maxItems: OUTPUTS.length,
      uniqueItems: true,
      description:
        'Results to return: tensors under `outputs`, and `sequences` as a list at the top level of the answer. All tensors except `gradient` have one entry per row, shaped like class indices. `per_token_loss` (float64): m·(ℓ + λ·lse²), 0 for rows that are not counted. `gradient`: ∂loss/∂logits, shaped like `logits`, in the dtype of `gradient_dtype`; without a `loss`, ∂(N + Z)/∂logits. With s = softmax(x), W = Σ_c w_c and the denominators of `semantics`, the gradient for class indices is (m/D)·[(1−ε)·w_y·(s_c − 1[c=y]) + (ε/C)·(W·s_c − w_c)] + (m/D_z)·2λ·lse·s_c. For class probabilities, the first term is (m/D)·[s_c·Σ_k w_k·p′_k − w_c·p′_c]. `softcap` multiplies the gradient by 1 − tanh², and `logit_scale` by its value. The gradient is 0 for rows that are not counted, and for invalid labels with `invalid_label: "zero_loss"`. ' +
        describe(STATISTIC_OUTPUTS),
      examples: [['per_token_loss']],
    }),
    metrics: Type.Array(Type.Enum(METRIC_NAMES, { title: 'MetricName' }), {
      default: [],
      maxItems: METRIC_NAMES.length,
      uniqueItems: true,
      description:
        'Metrics to compute in addition to perplexity and bits_per_token. Unless stated otherwise, a metric is a mean over counted rows, weighted by the mask. ' +
        describe(METRICS),
      examples: [['accuracy']],
    }),
  },
  {
    title: 'LossOptions',
    additionalProperties: false,
    description: 'Options of the loss. An absent or null option has its default.',
  },
);

type GivenOptions = Partial<Static<typeof Options>>;

export type Options = Static<typeof Options> & { parallel_config: { data_parallel: number; model_parallel: number } };

export const OPTION_NAMES = Object.keys(Options.properties) as readonly (keyof Options)[];

/** Names that other libraries use for the same options. */
const SYNONYMS = {
  ignore_label: 'ignore_index',
  ignored_index: 'ignore_index',
  axis: 'class_axis',
  dim: 'class_axis',
  per_token_loss: 'calculate_per_token_loss',
  reduce: 'reduction',
  smoothing: 'label_smoothing',
  z_loss: 'lse_square_scale',
  z_loss_scale: 'lse_square_scale',
  output: 'outputs',
  profile: 'semantics',
};

const READER = new OptionReader(Options, SYNONYMS);

const DEFAULT_OPTIONS = Value.Create(Options) as Options;

/**
 * Checks the options of a request and fills in the defaults.
 * @throws LossmeterError invalid_option: see OptionReader
 */
export function parseOptions(given: unknown): Options {
  const read: GivenOptions | undefined = READER.read(given);
  if (read === undefined) return DEFAULT_OPTIONS;
  const { parallel_config: parallel = {}, ...others } = read;
  return {
    ...DEFAULT_OPTIONS,
    ...others,
    parallel_config: { ...DEFAULT_OPTIONS.parallel_config, ...withoutNulls(parallel) },
  };
}

/** Transform that is applied to the logits first; undefined when there is none. */
export function transformOf({ softcap, logit_scale: scale }: Options): Transform | undefined {
  return softcap === undefined && scale === 1 ? undefined : { scale, cap: softcap };
}

/**
 * ε of the row formula. Megatron distributes the smoothing over the other classes only, so its ε is scaled by C/(C−1).
 * @throws LossmeterError invalid_option for Megatron's smoothing of a single class, or by 1, which Megatron rejects by
 *   an assertion
 */
export function smoothingOf({ label_smoothing: smoothing, semantics }: Options, classes: number): number {
  if (semantics !== 'megatron' || smoothing === 0) return smoothing;
  const refuseSmoothing = (detail: string): Error => refuse('invalid_option', '/options/label_smoothing', detail);
  if (smoothing === 1) {
    throw refuseSmoothing('options.label_smoothing is 1, expected a number in [0, 1) with `semantics: "megatron"`');
  }
  if (classes === 1) throw refuseSmoothing('label_smoothing of megatron needs 2 classes, logits have 1');
  return (smoothing * classes) / (classes - 1);
}
