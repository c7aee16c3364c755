/** Valid requests to every operation that reads a body, as values for the writers of formats. */
import type { FloatDType } from '../../src/tensor/dtype.ts';
import { KERNEL_DTYPES } from '../../src/tensor/dtype.ts';
import type { Client, HttpRequest } from '../http-client.ts';
import { INFERENCE_WRITERS, WRITERS, inferenceInput } from '../request-bodies.ts';
import type { Encoded } from '../request-bodies.ts';
import { encode } from '../rows.ts';

type Fields = Readonly<Record<string, unknown>>;

export interface Seed {
  readonly method: 'POST' | 'PUT';
  readonly path: string;
  readonly fields: Fields;
  readonly writers: readonly ((fields: Fields) => Encoded)[];
}

const ROWS = 3;
const CLASSES = 5;

const floats = (dtype: FloatDType, shape: readonly number[]): object => {
  const values = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, k) => Math.sin(k) * 4);
  return { dtype, shape, data: encode(dtype, values) };
};

const labels = { dtype: 'int32', shape: [ROWS], data: new Uint8Array(new Int32Array([1, 4, 0]).buffer) } as const;
const mask = { dtype: 'float32', shape: [ROWS], data: new Uint8Array(new Float32Array([1, 0, 2]).buffer) } as const;
const logits = { dtype: 'float32', shape: [ROWS, CLASSES], data: encode('float32', [...Array(15).keys()]) } as const;

const plain: Fields = { label: labels, logits };

const demanding: Fields = {
  options: {
    reduction: 'sum',
    ignore_index: [-100, 3],
    label_smoothing: 0.1,
    lse_square_scale: 1e-4,
    softcap: 30,
    logit_scale: 0.5,
    semantics: 'torch',
    class_axis: -1,
    invalid_label: 'zero_loss',
    check_for_nan_in_loss_and_grad: true,
    parallel_config: { data_parallel: 3, model_parallel: 5 },
    on_non_finite: 'reject',
    max_locations: 8,
    gradient_dtype: 'float32',
    outputs: ['per_token_loss', 'lse', 'gradient', 'predictions', 'target_rank', 'entropy'],
    metrics: ['accuracy', 'top5_accuracy', 'mean_entropy', 'ece'],
  },
  weight: { dtype: 'float32', shape: [CLASSES], data: encode('float32', [1, 2, 0, 0.5, 1]) },
  input_mask: mask,
  ...plain,
};

const sequences: Fields = {
  options: { outputs: ['sequences'], metrics: ['sequence_perplexity', 'bits_per_byte', 'standard_error'], shift: 1 },
  segments: { dtype: 'int32', shape: [2], data: new Uint8Array(new Int32Array([2, 1]).buffer) },
  bytes: { dtype: 'float32', shape: [2], data: encode('float32', [7, 3]) },
  ...plain,
};

const soft: Fields = { label: floats('float32', [ROWS, CLASSES]), logits };

const lists: Fields = {
  options: { shift: 1 },
  label: [1, 0, 1],
  logits: [
    [1, 2],
    [3, 4],
    [5, 6.5],
  ],
};

const dtypes = KERNEL_DTYPES.map((dtype): Fields => ({ label: labels, logits: floats(dtype, [ROWS, CLASSES]) }));

const batches = [plain, demanding, soft, lists, ...dtypes];

const shard = { vocab_start: 5, vocab_size: 10 };

const writers = Object.values(WRITERS);
/** Formats that accept fields of any type. */
const free = [WRITERS.json, WRITERS.msgpack];

/** Makes a seed. Batches whose tensors are bytes can be written in any format. */
function seed(path: string, fields: Fields, method: Seed['method'] = 'POST'): Seed {
  // Lists can represent float32 and int32 only.
  return { method, path, fields, writers: fields['logits'] === logits ? writers : free };
}

const sampled: Fields = {
  old: { ...mask, data: encode('float32', [-0.5, -2, -1]) },
  new: { ...mask, data: encode('float32', [-0.25, -2, -1.5]) },
  input_mask: { ...mask, data: encode('float32', [1, 0, 1]) },
  segments: { dtype: 'int32', shape: [2], data: new Uint8Array(new Int32Array([2, 1]).buffer) },
};

/** Vectors in the form in which inference servers send them. */
const flat: Fields = { old: 'AAAAvwAAgL8=', new: [-0.5, -1] };

const logprobs = [sampled, flat];

const compared: Fields = { reference: logits, ...plain };

const comparisons: Fields[] = [
  compared,
  {
    options: {
      direction: 'jensen_shannon',
      beta: 0.25,
      logit_scale: 0.5,
      outputs: ['kl_divergence', 'nll', 'gradient'],
    },
    input_mask: mask,
    ...compared,
  },
  { options: { reference_floor: 3, worst_rows: 2 }, reference: floats('bfloat16', [ROWS, CLASSES]), logits },
  {
    options: { tail: 'drop', outputs: ['gradient'] },
    reference: {
      indices: [
        [0, 1],
        [2, 4],
        [3, 0],
      ],
      logprobs: [
        [-1, -2],
        [-0.5, -3],
        [-2, -1],
      ],
    },
    logits,
  },
];

const inputs = [inferenceInput('label', labels), inferenceInput('input_mask', mask), inferenceInput('logits', logits)];

const inferences: Fields[] = [
  { id: '7', inputs },
  {
    inputs,
    parameters: { label_smoothing: 0.1, ignore_index: '[-100, 3]', binary_data_output: true },
    outputs: [{ name: 'loss' }, { name: 'lse', parameters: { binary_data: true } }, { name: 'gradient' }],
  },
];

/** The two shards of a batch. */
const SHARDS: readonly Seed[] = [0, CLASSES].map((start) => ({
  method: 'POST',
  path: '/v1/cross-entropy/partials',
  fields: { vocab_start: start, vocab_size: 2 * CLASSES, options: { outputs: ['lse'] }, ...plain },
  writers: [WRITERS.json],
}));

const WITHOUT_ANSWERS: readonly Seed[] = [
  ...batches.flatMap((batch, step) => [
    seed('/v1/cross-entropy', batch),
    seed('/v1/diagnose', batch),
    // Each batch is recorded at its own step.
    seed(`/v1/runs/fuzzed/steps/${step}/ranks/0`, batch, 'PUT'),
  ]),
  ...batches
    .filter((batch) => batch !== demanding)
    .map((batch) => seed('/v1/cross-entropy/partials', { ...shard, ...batch })),
  seed('/v1/cross-entropy', sequences),
  ...comparisons.map((fields, k) => ({ ...seed('/v1/kl-divergence', fields), writers: k < 2 ? writers : free })),
  ...logprobs.map((fields) => ({ ...seed('/v1/logprobs/compare', fields), writers: fields === flat ? free : writers })),
  {
    method: 'PUT',
    path: '/v1/runs/fuzzed/steps/99/ranks/1?micro_batch=1',
    fields: { numerator: 6.5, denominator: 3 },
    writers: free,
  },
  {
    method: 'PUT',
    path: '/v1/runs/fuzzed',
    fields: { labels: { model: 'a', lr: 3e-4, ok: true }, expected_ranks: 2 },
    writers: [WRITERS.json],
  },
  {
    method: 'POST',
    path: '/v2/models/kl_divergence/infer',
    fields: { inputs: [inferenceInput('reference', logits), ...inputs], parameters: { direction: 'reverse' } },
    writers: Object.values(INFERENCE_WRITERS),
  },
  ...inferences.flatMap((fields) =>
    ['/v2/models/cross_entropy/infer', '/v2/models/cross_entropy/versions/1/infer'].map((path): Seed => ({
      method: 'POST',
      path,
      fields,
      writers: Object.values(INFERENCE_WRITERS),
    })),
  ),
];

/** All seeds, and a request to merge the partials that the service answers. @param headers headers such as a key */
export async function readCorpus(client: Client, headers: Readonly<Record<string, string>> = {}): Promise<Seed[]> {
  const answers = await Promise.all(SHARDS.map((shard) => client.send(requestOf(shard, 0, headers))));
  const partials = answers.map(({ body }) => JSON.parse(body.toString()) as unknown);
  const merge = { partials, options: { reduction: 'sum' } };
  return [...WITHOUT_ANSWERS, { method: 'POST', path: '/v1/cross-entropy/combine', fields: merge, writers: free }];
}

/** @param writer index of the writer */
export function requestOf(
  { method, path, fields, writers }: Seed,
  writer: number,
  headers: Readonly<Record<string, string>> = {},
): HttpRequest {
  const encoded = writers[writer]!(fields);
  return { method, path, headers: { ...encoded.headers, ...headers }, body: encoded.body };
}
