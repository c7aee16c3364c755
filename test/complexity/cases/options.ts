/** Options, shapes and names that a client makes large beside its tensors. */
import { INFERENCE_WRITERS, WRITERS, inferenceInput } from '../../request-bodies.ts';
import { FLOAT16_NEGATIVE_INFINITY, float16, float32, int32, rowsOf } from './batches.ts';
import type { ComplexityCase } from './case.ts';
import { ENDPOINTS } from './evaluations.ts';
import type { Endpoint } from './evaluations.ts';

type Fields = Record<string, unknown>;

/** A growing part of a batch, as the fields of a body. */
interface Grown {
  readonly name: string;
  /** Expected outcome; `evaluated` for a valid batch. */
  readonly outcome: 'evaluated' | 'refused' | 'either';
  readonly fields: (size: number, endpoint: Endpoint) => Fields;
}

export const REFUSALS = [400, 403, 413, 422];

export const text = (length: number): string => 'x'.repeat(length);

export const names = (count: number): Fields =>
  Object.fromEntries(Array.from({ length: count }, (_, k) => [`optoin_${k}`, k]));

export const repeated = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value);

const small = (): Fields => ({
  label: int32([2]),
  input_mask: float32([2]),
  weight: float32([8]),
  logits: float32([2, 8]),
});

/** A batch with one field replaced. */
const withTensor = (field: string, tensor: unknown): Fields => ({ ...small(), [field]: tensor });

const TENSORS = ['label', 'input_mask', 'weight', 'logits'] as const;

export const UNKNOWN_NAMES = 10_000;
export const LONG_TEXT = 250_000;

const GROWN: readonly Grown[] = [
  {
    name: 'labels to ignore, and rows',
    outcome: 'evaluated',
    fields: (size) => rowsOf(size * 8000, { ignore_index: Array.from({ length: size * 128 }, (_, k) => 1000 + k) }),
  },
  {
    name: 'a label to ignore',
    outcome: 'evaluated',
    fields: (size) => rowsOf(100, { ignore_index: size * 1000 }),
  },
  {
    name: 'places of non-finite logits, and columns',
    outcome: 'either',
    fields: (size) => ({
      options: { max_locations: size * 512 },
      label: int32([1]),
      logits: float16([1, size * 50_000], FLOAT16_NEGATIVE_INFINITY),
    }),
  },
  {
    name: 'places of non-finite logits, and rows',
    outcome: 'either',
    fields: (size) => ({
      options: { max_locations: size * 512 },
      label: int32([size * 4000]),
      logits: float16([size * 4000, 16], FLOAT16_NEGATIVE_INFINITY),
    }),
  },
  {
    name: 'parallel groups, and rows',
    outcome: 'either',
    fields: (size) => rowsOf(size * 8192, { parallel_config: { data_parallel: size * 8192 } }),
  },
  {
    name: 'parallel shards, and classes',
    outcome: 'either',
    fields: (size) => ({
      options: { parallel_config: { model_parallel: size * 512 } },
      label: int32([64]),
      logits: float32([64, size * 2048]),
    }),
  },
  {
    name: 'positions of a shift, and rows',
    outcome: 'evaluated',
    fields: (size) => rowsOf(size * 8000, { shift: size * 4000 }),
  },
  {
    name: 'a class axis, and the rows around it',
    outcome: 'evaluated',
    fields: (size) => {
      const before = [size * 1000, ...repeated(size - 1, 1)];
      return { options: { class_axis: size }, label: int32([...before, 8]), logits: float32([...before, 8, 8]) };
    },
  },
  {
    name: 'the label of a row alone, and its classes',
    outcome: 'evaluated',
    fields: (size, endpoint) => ({ ...endpoint.fields(size * 5000), label: size, logits: float32([size * 5000]) }),
  },
  {
    name: 'rows that lie by classes',
    outcome: 'evaluated',
    fields: (size) => {
      const options = { class_axis: 0 };
      return { options, label: float32([8, size * 8000], () => 1 / 8), logits: float32([8, size * 8000]) };
    },
  },
  ...['outputs', 'metrics'].map((option): Grown => ({
    name: `entries of ${option}`,
    outcome: 'refused',
    fields: (size) => ({ ...small(), options: { [option]: repeated(size * 5000, 'lse') } }),
  })),
  {
    name: 'entries of ignore_index that are too many',
    outcome: 'refused',
    fields: (size) => ({ ...small(), options: { ignore_index: repeated(size * 20_000, 'x') } }),
  },
  {
    name: 'unknown fields',
    outcome: 'refused',
    fields: (size) => ({ ...names(size * UNKNOWN_NAMES), ...small() }),
  },
  {
    name: 'unknown options',
    outcome: 'refused',
    fields: (size) => ({ ...small(), options: names(size * UNKNOWN_NAMES) }),
  },
  {
    name: 'unknown members of parallel_config',
    outcome: 'refused',
    fields: (size) => ({ ...small(), options: { parallel_config: names(size * UNKNOWN_NAMES) } }),
  },
  {
    name: 'texts where options are something else',
    outcome: 'refused',
    fields: (size) => ({
      ...small(),
      options: { reduction: text(size * LONG_TEXT), label_smoothing: text(size * LONG_TEXT) },
    }),
  },
  ...TENSORS.flatMap((field): Grown[] => [
    {
      name: `unknown members of ${field}`,
      outcome: 'refused',
      fields: (size) => withTensor(field, { ...float32([2, 8]), ...names(size * UNKNOWN_NAMES) }),
    },
    {
      name: `axes of ${field}`,
      outcome: 'either',
      fields: (size) => withTensor(field, { ...float32([2, 8]), shape: [...repeated(size * 4 - 2, 1), 2, 8] }),
    },
    {
      name: `axes of a list ${field}, too many`,
      outcome: 'refused',
      fields: (size) =>
        withTensor(field, { dtype: 'float32', shape: repeated(size * 20_000, 1), data: repeated(size, 1) }),
    },
    {
      name: `a shape of ${field} beyond its data`,
      outcome: 'refused',
      fields: (size) => withTensor(field, { ...float32([2, 8]), shape: [size * 2 ** 40, 8] }),
    },
    {
      name: `entries of a list ${field}, that are no numbers`,
      outcome: 'refused',
      fields: (size) =>
        withTensor(field, { dtype: 'float32', shape: [size * 20_000], data: repeated(size * 20_000, 'x') }),
    },
    {
      name: `nested entries of ${field}`,
      outcome: 'refused',
      fields: (size) => withTensor(field, [repeated(size * 20_000, 1), 1]),
    },
    {
      name: `nested entries of the data of ${field}`,
      outcome: 'refused',
      fields: (size) => withTensor(field, { dtype: 'float32', data: [repeated(size * 20_000, 1), 1] }),
    },
    {
      name: `names of file and tensor of ${field}`,
      outcome: 'refused',
      fields: (size) => withTensor(field, { file: text(size * LONG_TEXT), tensor: text(size * LONG_TEXT) }),
    },
  ]),
];

const OF_SHARDS: Grown = {
  name: 'classes of the vocabulary',
  outcome: 'evaluated',
  fields: (size) => ({
    vocab_start: size * 1000,
    vocab_size: size * 1_000_000,
    label: int32([2]),
    logits: float32([2, 8]),
  }),
};

/** Formats that accept fields of any type. */
const FREE_WRITERS = ['json', 'msgpack'] as const;

const ofEndpoints = ENDPOINTS.flatMap((endpoint) =>
  FREE_WRITERS.flatMap((writer) => {
    const grown = endpoint.operation.endsWith('/partials') ? [...GROWN, OF_SHARDS] : GROWN;
    return grown.map(({ name, outcome, fields }): ComplexityCase => {
      const answers = { evaluated: endpoint.answers, refused: REFUSALS, either: [...endpoint.answers, ...REFUSALS] };
      return {
        name: `${name}, as ${writer}`,
        operation: endpoint.operation,
        answers: answers[outcome],
        request: (size) => endpoint.around(WRITERS[writer]({ ...endpoint.fields(8), ...fields(size, endpoint) })),
      };
    });
  }),
);

const [label, logits] = [inferenceInput('label', int32([2])), inferenceInput('logits', float32([2, 8]))];

/** An input entry without its elements. */
const plain = (name: string): object => ({ name, shape: [2], datatype: 'INT32' });

/** Requests of the Open Inference Protocol with a growing part. */
const INFERENCE: readonly Grown[] = [
  { name: 'the id', outcome: 'either', fields: (size) => ({ id: text(size * LONG_TEXT) }) },
  { name: 'the model’s name', outcome: 'either', fields: (size) => ({ model_name: text(size * LONG_TEXT) }) },
  { name: 'the model’s version', outcome: 'either', fields: (size) => ({ model_version: text(size * LONG_TEXT) }) },
  { name: 'unknown members', outcome: 'refused', fields: (size) => names(size * UNKNOWN_NAMES) },
  { name: 'unknown parameters', outcome: 'refused', fields: (size) => ({ parameters: names(size * UNKNOWN_NAMES) }) },
  {
    name: 'parameters of Triton, which are ignored',
    outcome: 'either',
    fields: (size) => ({
      parameters: Object.fromEntries(Array.from({ length: size * UNKNOWN_NAMES }, (_, k) => [`triton_${k}`, k])),
    }),
  },
  {
    name: 'a text in place of a list',
    outcome: 'refused',
    fields: (size) => ({ parameters: { outputs: `[${text(size * LONG_TEXT)}` } }),
  },
  {
    name: 'inputs',
    outcome: 'refused',
    fields: (size) => ({ inputs: repeated(size * 5000, label) }),
  },
  {
    name: 'outputs',
    outcome: 'refused',
    fields: (size) => ({ outputs: repeated(size * 5000, { name: 'lse' }) }),
  },
  {
    name: 'unknown members of an input',
    outcome: 'refused',
    fields: (size) => ({ inputs: [{ ...label, ...names(size * UNKNOWN_NAMES) }, logits] }),
  },
  {
    name: 'unknown parameters of an input',
    outcome: 'refused',
    fields: (size) => ({ inputs: [{ ...label, parameters: names(size * UNKNOWN_NAMES) }, logits] }),
  },
  {
    name: 'the content type of an input, which is not looked at',
    outcome: 'either',
    fields: (size) => ({
      inputs: [{ ...label, parameters: { content_type: repeated(size * UNKNOWN_NAMES, 'np') } }, logits],
    }),
  },
  {
    name: 'the content type of an output, which is not looked at',
    outcome: 'either',
    fields: (size) => ({
      outputs: [{ name: 'lse', parameters: { content_type: repeated(size * UNKNOWN_NAMES, 'np') } }],
    }),
  },
  {
    name: 'axes of an input',
    outcome: 'either',
    fields: (size) => ({ inputs: [{ ...label, shape: [...repeated(size * 4 - 1, 1), 2] }, logits] }),
  },
  {
    name: 'sizes of an axis',
    outcome: 'refused',
    fields: (size) => ({ inputs: [{ ...label, shape: [size * 2 ** 40] }, logits] }),
  },
  {
    name: 'entries of an input',
    outcome: 'refused',
    fields: (size) => ({ inputs: [{ ...plain('label'), data: [repeated(size * 20_000, 1), 1] }, logits] }),
  },
  {
    name: 'entries of a list of an input',
    outcome: 'refused',
    fields: (size) => ({ inputs: [{ ...plain('label'), data: repeated(size * 20_000, 1) }, logits] }),
  },
  {
    name: 'bytes of an input, which do not come',
    outcome: 'refused',
    fields: (size) => ({ inputs: [{ ...plain('label'), parameters: { binary_data_size: size * 1000 } }, logits] }),
  },
  {
    name: 'unknown members of an output',
    outcome: 'refused',
    fields: (size) => ({ outputs: [{ name: 'lse', ...names(size * UNKNOWN_NAMES) }] }),
  },
  {
    name: 'unknown parameters of an output',
    outcome: 'refused',
    fields: (size) => ({ outputs: [{ name: 'lse', parameters: names(size * UNKNOWN_NAMES) }] }),
  },
];

/** Calls of both models. The calls of `kl_divergence` lack its reference: they are refused when that is noticed. */
const ofInference = ['cross_entropy', 'kl_divergence']
  .flatMap((model) => ['', '/versions/1'].map((version) => `POST /v2/models/${model}${version}/infer`))
  .flatMap((operation) =>
    (['json', 'binary'] as const).flatMap((writer) =>
      INFERENCE.map(({ name, outcome, fields }): ComplexityCase => {
        const inputs = [label, logits];
        return {
          name: `${name}, as ${writer}`,
          operation,
          answers: outcome === 'refused' ? [...REFUSALS, 501] : [200, ...REFUSALS, 501],
          request: (size) => ({ body: INFERENCE_WRITERS[writer]({ inputs, ...fields(size, ENDPOINTS[0]!) }) }),
        };
      }),
    ),
  );

export const OPTION_CASES: readonly ComplexityCase[] = [...ofEndpoints, ...ofInference];
