import { Type, Value } from '#typebox';
import type { Static } from '#typebox';
import { Options as LossOptions } from '../loss/options.ts';
import { OptionReader } from '../option-reader.ts';

const ofLoss = LossOptions.properties;

/** Outputs of a comparison that have an entry per row, with their dtypes and documentation. */
export const ROW_OUTPUTS = {
  kl_divergence: { dtype: 'float64', description: 'the divergence, in nats' },
  probability_difference: {
    dtype: 'float64',
    description: 'q_y − p_y, the probability of the label under `logits` minus that under `reference`; needs `label`',
  },
  nll: { dtype: 'float64', description: '−log q_y of `logits`; needs `label`' },
  reference_nll: { dtype: 'float64', description: '−log p_y of `reference`; needs `label`' },
  top1_agreement: {
    dtype: 'int32',
    description: '1 when both sides have the same most probable class (the lowest index on ties), else 0',
  },
} as const;

/** Names of outputs that are tensors. */
export const TENSOR_OUTPUTS = [
  'kl_divergence',
  'probability_difference',
  'nll',
  'reference_nll',
  'top1_agreement',
  'gradient',
] as const satisfies readonly (keyof typeof ROW_OUTPUTS | 'gradient')[];

export type TensorOutput = (typeof TENSOR_OUTPUTS)[number];

/** Names that `outputs` accepts. */
const OUTPUTS = [...TENSOR_OUTPUTS, 'sequences'] as const;

const described = Object.entries(ROW_OUTPUTS).map(([name, one]) => `\`${name}\` (${one.dtype}): ${one.description}.`);

/** Maximum number of worst rows in an answer. */
export const MOST_WORST_ROWS = 1024;

/**
 * The options of a comparison, under their names on the wire. P = softmax(reference), Q = softmax(logits), both after
 * `logit_scale`; m is the mask of a row (default 1), and N = Σ m·divergence and D = Σ m run over counted rows.
 */
export const ComparisonOptions = Type.Object(
  {
    direction: Type.Enum(['forward', 'reverse', 'jensen_shannon'], {
      default: 'forward',
      description:
        'Divergence of a row. `forward`: KL(P‖Q) = Σ p·ln(p/q). `reverse`: KL(Q‖P). `jensen_shannon`: β·KL(P‖M) + (1−β)·KL(Q‖M) with M = β·P + (1−β)·Q, the convention of TRL and Liger.',
      examples: ['reverse'],
    }),
    beta: Type.Number({
      default: 0.5,
      minimum: 0,
      maximum: 1,
      description:
        'β of `jensen_shannon`. The formula applies for 0 < β < 1. β = 0 selects forward KL, and β = 1 selects reverse KL. Rejected with another `direction`.',
      examples: [0.5],
    }),
    logit_scale: Type.Number({
      default: 1,
      exclusiveMinimum: 0,
      minimum: 0,
      maximum: Number.MAX_VALUE,
      description: 'Factor s on the logits of both sides, applied first: 1 / temperature.',
      examples: [0.5],
    }),
    tail: Type.Enum(['bucket', 'drop'], {
      default: 'bucket',
      description:
        'Treatment of the classes outside the top K of a `reference` of `indices` and `logprobs`. `bucket`: they count as one class, with the reference probability 1 − Σ p. `drop`: they are left out; the divergence is Σ p·ln(p/q) over the top K only, and may be negative. Rejected with other references.',
      examples: ['drop'],
    }),
    reference_floor: Type.Optional(
      Type.Number({
        exclusiveMinimum: 0,
        minimum: 0,
        maximum: Number.MAX_VALUE,
        description:
          'Floor f, in nats: classes with ln p ≤ −f are left out. The divergence is then Σ p·ln(p/q) over the other classes, and may be slightly negative. Default: 16 with a llama.cpp file, which does not distinguish smaller probabilities; otherwise none. Requires `direction: "forward"`. Rejected with the top K of a reference.',
        examples: [16],
      }),
    ),
    ignore_index: ofLoss.ignore_index,
    shift: ofLoss.shift,
    semantics: Type.Enum(['mindformers', 'torch', 'megatron'], {
      default: 'mindformers',
      description:
        'Denominator of the mean. `mindformers`: D + 1e-8, so the mean is 0 when nothing is counted. `torch`: D, so the mean is NaN when nothing is counted. `megatron`: max(D, 1). Statistics are always divided by D.',
      examples: ['torch'],
    }),
    reduction: Type.Enum(['mean', 'sum', 'none'], {
      default: 'mean',
      description:
        'Reduction of the divergences to one `loss`. `mean`: N / D, with the denominator of `semantics`. `sum`: N. `none`: no `loss`; request `outputs: ["kl_divergence"]`.',
      examples: ['sum'],
    }),
    on_non_finite: Type.Enum(['report', 'reject'], {
      default: 'report',
      description:
        'Answer when the numerator is not finite: `report` answers 200 with the value, `reject` answers 422 `non_finite_loss` with the same `diagnostics` in the problem.',
      examples: ['reject'],
    }),
    max_locations: ofLoss.max_locations,
    worst_rows: Type.Integer({
      default: 8,
      minimum: 0,
      maximum: MOST_WORST_ROWS,
      description: 'Maximum number of rows that `worst_rows` lists: those with the largest divergence.',
      examples: [16],
    }),
    gradient_dtype: ofLoss.gradient_dtype,
    outputs: Type.Array(Type.Enum([...OUTPUTS], { title: 'ComparisonOutputName' }), {
      default: [],
      maxItems: OUTPUTS.length,
      uniqueItems: true,
      description: `Results to return: tensors under \`outputs\`, and \`sequences\` as a list at the top level of the answer. All tensors except \`gradient\` have one entry per row; 0 for rows that are not counted. ${described.join(' ')} \`gradient\`: ∂loss/∂logits, shaped like \`logits\`, in the dtype of \`gradient_dtype\`; without a \`loss\`, ∂N/∂logits. For class c it is a·s·(q_c − p_c) for \`forward\`, a·s·q_c·(ln(q_c/p_c) − KL(Q‖P)) for \`reverse\`, and a·s·(1−β)·q_c·(ln(q_c/μ_c) − KL(Q‖M)) for \`jensen_shannon\`, where μ_c is the probability of c under M. The factor a is m/D for a mean, with the denominator of \`semantics\`, and m otherwise. With classes left out by the floor, it is a·s·(q_c·Σp − p_c), with p_c = 0 for these classes. docs/compare.md has the gradient for the top K of a reference.`,
      examples: [['kl_divergence']],
    }),
  },
  {
    title: 'ComparisonOptions',
    additionalProperties: false,
    description: 'Options of a comparison. An absent or null option has its default.',
  },
);

export type ComparisonOptions = Static<typeof ComparisonOptions>;

export const OPTION_NAMES = Object.keys(ComparisonOptions.properties) as readonly (keyof ComparisonOptions)[];

/** Names that other libraries use for the same options. */
const SYNONYMS = {
  temperature: 'logit_scale',
  mode: 'direction',
  reverse: 'direction',
  reverse_kl: 'direction',
  ignore_label: 'ignore_index',
  reduce: 'reduction',
  output: 'outputs',
  profile: 'semantics',
};

const READER = new OptionReader(ComparisonOptions, SYNONYMS);

const DEFAULT_OPTIONS = Value.Create(ComparisonOptions);

/** Checks the options of a request and fills in the defaults. @throws LossmeterError invalid_option: see OptionReader */
export function parseComparisonOptions(given: unknown): ComparisonOptions {
  const read: Partial<ComparisonOptions> | undefined = READER.read(given);
  return read === undefined ? DEFAULT_OPTIONS : { ...DEFAULT_OPTIONS, ...read };
}
