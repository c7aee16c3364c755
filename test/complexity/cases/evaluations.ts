/** Large batches, in every format, at every endpoint that reads a batch. */
import { COMPRESSIONS, INFERENCE_WRITERS, WRITERS, compressed, inferenceInput } from '../../request-bodies.ts';
import type { Compression, Encoded, Writer } from '../../request-bodies.ts';
import type { Tensor } from '../../../src/tensor/tensor.ts';
import { classesOf, float32, rowsOf } from './batches.ts';
import type { ComplexityCase, OperationRequest } from './case.ts';

type Fields = Record<string, unknown>;

/** An endpoint that reads a batch. */
export interface Endpoint {
  readonly operation: string;
  readonly outputs: readonly string[];
  /** Statuses of a valid batch. */
  readonly answers: readonly number[];
  /** Fields in addition to the fields of every batch. */
  fields: (classes: number) => Fields;
  /** Makes the request that has a body. */
  around: (body: Encoded) => OperationRequest;
}

const ROW_OUTPUTS = ['per_token_loss', 'lse', 'predictions', 'target_rank', 'entropy'];

let recorded = 0;

export const ENDPOINTS: readonly Endpoint[] = [
  {
    operation: 'POST /v1/cross-entropy',
    outputs: [...ROW_OUTPUTS, 'gradient'],
    answers: [200],
    fields: () => ({}),
    around: (body) => ({ body }),
  },
  {
    operation: 'POST /v1/cross-entropy/partials',
    outputs: ['lse', 'predictions'],
    answers: [200],
    fields: (classes) => ({ vocab_start: classes, vocab_size: 2 * classes }),
    around: (body) => ({ body }),
  },
  {
    operation: 'POST /v1/diagnose',
    outputs: [],
    answers: [200],
    fields: () => ({}),
    around: (body) => ({ body }),
  },
  {
    operation: 'PUT /v1/runs/{run}/steps/{step}/ranks/{rank}',
    outputs: [...ROW_OUTPUTS, 'gradient'],
    answers: [201],
    fields: () => ({}),
    // Each request records a new step: otherwise it would be a repetition.
    around: (body) => ({ body, params: { run: 'batches', step: recorded++, rank: 0 } }),
  },
];

const ROWS = 8000;
const CLASSES = 50_000;
const writers = Object.keys(WRITERS) as Writer[];

const ofEndpoints = ENDPOINTS.flatMap((endpoint) =>
  writers.flatMap((writer) => [manyRows(endpoint, writer), manyClasses(endpoint, writer)]),
);

function manyRows({ operation, answers, outputs, fields, around }: Endpoint, writer: Writer): ComplexityCase {
  return {
    name: `rows, with all outputs of rows, as ${writer}`,
    ...{ operation, answers },
    request: (size) => around(WRITERS[writer]({ ...fields(8), ...rowsOf(size * ROWS, { outputs }) })),
  };
}

function manyClasses({ operation, answers, fields, around }: Endpoint, writer: Writer): ComplexityCase {
  return {
    name: `classes, as ${writer}`,
    ...{ operation, answers },
    request: (size) => around(WRITERS[writer]({ ...fields(size * CLASSES), ...classesOf(size * CLASSES, {}) })),
  };
}

/** Class probabilities, in the shape of the logits. */
const probabilities = ENDPOINTS.map(({ operation, answers, fields, around }): ComplexityCase => ({
  name: 'class probabilities',
  ...{ operation, answers },
  request: (size) => {
    const shape = [size * 250, 500];
    const batch = { label: float32(shape, () => 1 / 500), logits: float32(shape) };
    return around(WRITERS.msgpack({ ...fields(500), ...batch }));
  },
}));

/** Entries as lists, without a dtype or a shape. */
const nestedLists = ENDPOINTS.flatMap(({ operation, answers, fields, around }) =>
  (['json', 'msgpack'] as const).flatMap((writer): ComplexityCase[] => [
    {
      name: `nested lists of rows, as ${writer}`,
      ...{ operation, answers },
      request: (size) => around(WRITERS[writer]({ ...fields(16), ...listsOf(size * 1000, 16) })),
    },
    {
      name: `nested lists of classes, as ${writer}`,
      ...{ operation, answers },
      request: (size) => around(WRITERS[writer]({ ...fields(size * 8000), ...listsOf(2, size * 8000) })),
    },
  ]),
);

function listsOf(rows: number, classes: number): Fields {
  return {
    label: Array.from({ length: rows }, (_, row) => row % 8),
    input_mask: Array.from({ length: rows }, () => 1),
    weight: Array.from({ length: classes }, () => 1),
    logits: Array.from({ length: rows }, (_, row) => Array.from({ length: classes }, (_value, k) => (row + k) % 5)),
  };
}

const [crossEntropy] = ENDPOINTS;

const compressions = (Object.keys(COMPRESSIONS) as Compression[]).flatMap((compression) =>
  writers.map((writer): ComplexityCase => ({
    name: `rows, as ${writer} in ${compression}`,
    ...{ operation: crossEntropy!.operation, answers: [200] },
    request: (size) => ({ body: compressed(WRITERS[writer](rowsOf(size * ROWS, {})), compression) }),
  })),
);

const answerTypes = ['application/json', 'application/vnd.msgpack', 'application/vnd.safetensors'].map(
  (accept): ComplexityCase => ({
    name: `outputs of rows, answered as ${accept}`,
    ...{ operation: crossEntropy!.operation, answers: [200] },
    request: (size) => ({
      headers: { accept },
      body: WRITERS.msgpack(rowsOf(size * 2 * ROWS, { outputs: crossEntropy!.outputs })),
    }),
  }),
);

const INFER = ['POST /v2/models/cross_entropy/infer', 'POST /v2/models/cross_entropy/versions/1/infer'];

function inputsOf(batch: Fields): object[] {
  return Object.entries(batch)
    .filter(([name]) => name !== 'options')
    .map(([name, tensor]) => inferenceInput(name, tensor as Tensor));
}

const inference = INFER.flatMap((operation) =>
  (['json', 'binary'] as const).flatMap((writer): ComplexityCase[] => [
    {
      name: `rows, with all outputs of rows, as ${writer}`,
      ...{ operation, answers: [200] },
      request: (size) => {
        const inputs = inputsOf(rowsOf(size * ROWS, {}));
        const outputs = ['loss', ...ROW_OUTPUTS].map((name) => ({
          name,
          parameters: { binary_data: writer === 'binary' },
        }));
        return { body: INFERENCE_WRITERS[writer]({ id: 'x', inputs, outputs }) };
      },
    },
    {
      name: `classes, as ${writer}`,
      ...{ operation, answers: [200] },
      request: (size) => ({ body: INFERENCE_WRITERS[writer]({ inputs: inputsOf(classesOf(size * CLASSES, {})) }) }),
    },
  ]),
);

export const EVALUATION_CASES: readonly ComplexityCase[] = [
  ...ofEndpoints,
  ...probabilities,
  ...nestedLists,
  ...compressions,
  ...answerTypes,
  ...inference,
];
