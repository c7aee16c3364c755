/** Comparisons of two sets of logits of any size. */
import type { Tensor } from '../../../src/tensor/tensor.ts';
import { INFERENCE_WRITERS, WRITERS, inferenceInput } from '../../request-bodies.ts';
import type { Writer } from '../../request-bodies.ts';
import { FLOAT16_NEGATIVE_INFINITY, float16, float32, int32 } from './batches.ts';
import { SIZES } from './case.ts';
import type { ComplexityCase } from './case.ts';
import { LONG_TEXT, REFUSALS, UNKNOWN_NAMES, names, repeated, text } from './options.ts';

type Fields = Readonly<Record<string, unknown>>;

const OUTPUTS = ['kl_divergence', 'probability_difference', 'nll', 'reference_nll', 'top1_agreement', 'gradient'];
const WIDTH = 8;
const ROWS = 8000;
const CLASSES = 50_000;
const FREE = ['json', 'msgpack'] as const;
const EITHER = [200, ...REFUSALS];
const writers = Object.keys(WRITERS) as Writer[];

function written(
  name: string,
  answers: readonly number[],
  chosen: readonly Writer[],
  fieldsOf: (size: number) => Fields,
): ComplexityCase[] {
  return chosen.map((writer) => ({
    name: `${name}, as ${writer}`,
    operation: 'POST /v1/kl-divergence',
    answers,
    request: (size) => ({ body: WRITERS[writer](fieldsOf(size)) }),
  }));
}

function rowsOf(rows: number, options: object): Fields {
  return {
    options,
    label: int32([rows], (row) => row % WIDTH),
    input_mask: float32([rows], (row) => (row % 7 === 0 ? 0 : 1)),
    reference: float32([rows, WIDTH], (k) => ((k * 31) % 17) / 4),
    logits: float32([rows, WIDTH]),
  };
}

function classesOf(classes: number, options: object): Fields {
  return { options, label: int32([4], (row) => row), reference: float32([4, classes]), logits: float32([4, classes]) };
}

/** The top K of each row, with logits of K + 1 classes. */
function topOf(rows: number, K: number): Fields {
  return {
    reference: { indices: int32([rows, K], (k) => k % K), logprobs: float32([rows, K], () => -Math.log(K + 1)) },
    logits: float32([rows, K + 1]),
  };
}

/** The top K, for formats whose tensors have flat names. */
function namedTopOf(rows: number, K: number): Fields {
  const { reference, logits } = topOf(rows, K) as { reference: Record<string, Tensor>; logits: Tensor };
  return { 'reference.indices': reference['indices'], 'reference.logprobs': reference['logprobs'], logits };
}

function listsOf(rows: number, classes: number): Fields {
  const lists = Array.from({ length: rows }, (_, row) => Array.from({ length: classes }, (_value, k) => (row + k) % 5));
  return { label: repeated(rows, 0), input_mask: repeated(rows, 1), reference: lists, logits: lists };
}

const listedTopOf = (rows: number, K: number): Fields => ({
  reference: {
    indices: repeated(
      rows,
      Array.from({ length: K }, (_, k) => k),
    ),
    logprobs: repeated(rows, repeated(K, -Math.log(K + 1))),
  },
  logits: repeated(rows, repeated(K + 1, 1)),
});

const small = (): Fields => ({
  label: int32([2]),
  input_mask: int32([2], () => 1),
  reference: float32([2, WIDTH]),
  logits: float32([2, WIDTH]),
});

const ROOMY: readonly [name: string, fields: (size: number) => Fields][] = [
  ['rows, with all outputs', (size) => rowsOf(size * ROWS, { outputs: OUTPUTS })],
  ['classes, with the gradient', (size) => classesOf(size * CLASSES, { outputs: ['gradient'] })],
  [
    'rows, by Jensen-Shannon and with worst rows',
    (size) => rowsOf(size * ROWS, { direction: 'jensen_shannon', worst_rows: size * 128 }),
  ],
  ['positions of a shift, and rows', (size) => rowsOf(size * ROWS, { shift: size * 4000 })],
];

const [smallest] = SIZES;

const tops: readonly [name: string, of: (size: number) => [rows: number, K: number]][] = [
  ['rows of a top K', (size) => [size * ROWS, 4]],
  ['classes of a top K', (size) => [4, size * CLASSES]],
];

const malformed = (['label', 'input_mask', 'reference', 'logits', 'indices', 'logprobs'] as const).flatMap((field) => {
  const grown: readonly [name: string, value: (size: number) => unknown][] = [
    ['unknown members', (size) => ({ ...float32([2, WIDTH]), ...names(size * UNKNOWN_NAMES) })],
    ['axes', (size) => ({ ...float32([2, WIDTH]), shape: [...repeated(size * 4 - 2, 1), 2, WIDTH] })],
    ['a shape beyond its data', (size) => ({ ...float32([2, WIDTH]), shape: [size * 2 ** 40, WIDTH] })],
    ['entries that are no numbers', (size) => ({ dtype: 'float32', data: repeated(size * 20_000, 'x') })],
    ['nested entries', (size) => [repeated(size * 20_000, 1), 1]],
    ['nested entries of its data', (size) => ({ dtype: 'float32', data: [repeated(size * 20_000, 1), 1] })],
    ['names of file and tensor', (size) => ({ file: text(size * LONG_TEXT), tensor: text(size * LONG_TEXT) })],
    ['a logit file', (size) => ({ kld_file: text(size * LONG_TEXT) })],
    ['a text', (size) => text(size * LONG_TEXT)],
  ];
  return grown.flatMap(([name, value]) =>
    written(`${name} of ${field}`, EITHER, FREE, (size) => {
      const isPart = field === 'indices' || field === 'logprobs';
      const parts = topOf(2, WIDTH - 1)['reference'] as object;
      return isPart
        ? { ...small(), reference: { ...parts, [field]: value(size) } }
        : { ...small(), [field]: value(size) };
    }),
  );
});

const OPTIONS: readonly [name: string, answers: readonly number[], options: (size: number) => object][] = [
  ['a label to ignore', [200], (size) => ({ ignore_index: size * 1000 })],
  ['labels to ignore', EITHER, (size) => ({ ignore_index: repeated(size * 128, 0).map((_, k) => 1000 + k) })],
  ['labels to ignore, too many', REFUSALS, (size) => ({ ignore_index: repeated(size * 20_000, 'x') })],
  ['entries of outputs', REFUSALS, (size) => ({ outputs: repeated(size * 5000, 'nll') })],
  ['unknown options', REFUSALS, (size) => names(size * UNKNOWN_NAMES)],
  ['a text', REFUSALS, (size) => ({ reduction: text(size * LONG_TEXT), direction: text(size * LONG_TEXT) })],
];

const places = (rows: number, classes: number, size: number): Fields => ({
  options: { max_locations: size * 512 },
  reference: float16([rows, classes], FLOAT16_NEGATIVE_INFINITY),
  logits: float16([rows, classes], FLOAT16_NEGATIVE_INFINITY),
});

const inputsOf = (batch: Fields): object[] =>
  Object.entries(batch)
    .filter(([name]) => name !== 'options')
    .map(([name, tensor]) => inferenceInput(name, tensor as Tensor));

const inference = ['POST /v2/models/kl_divergence/infer', 'POST /v2/models/kl_divergence/versions/1/infer'].flatMap(
  (operation) =>
    (['json', 'binary'] as const).flatMap((writer) =>
      [
        ['rows, with all outputs', (size: number) => rowsOf(size * ROWS, {})] as const,
        ['classes', (size: number) => classesOf(size * CLASSES, {})] as const,
        ['rows of a top K', (size: number) => namedTopOf(size * ROWS, 4)] as const,
      ].map(([name, fields]): ComplexityCase => ({
        name: `${name}, as ${writer}`,
        ...{ operation, answers: [200] },
        request: (size) => {
          const outputs = ['loss', 'kl_divergence'].map((output) => ({
            name: output,
            parameters: { binary_data: writer === 'binary' },
          }));
          return { body: INFERENCE_WRITERS[writer]({ id: 'x', inputs: inputsOf(fields(size)), outputs }) };
        },
      })),
    ),
);

export const COMPARISON_CASES: readonly ComplexityCase[] = [
  ...ROOMY.flatMap(([name, fields]) => written(name, [200], writers, fields)),
  ...tops.flatMap(([name, of]) => [
    ...written(name, [200], ['json', 'json lists', 'msgpack', 'msgpack numpy'], (size) => topOf(...of(size))),
    ...written(name, [200], ['safetensors', 'octet-stream'], (size) => namedTopOf(...of(size))),
  ]),
  ...written('lists of rows', [200], FREE, (size) => listsOf(size * 500, 16)),
  ...written('lists of classes', [200], FREE, (size) => listsOf(2, size * 4000)),
  ...written('lists of a top K', [200], FREE, (size) => listedTopOf(size * 500, 16)),
  ...written('classes of a row alone', [200], FREE, (size) => ({
    label: size - smallest,
    input_mask: 1,
    reference: float32([size * 5000]),
    logits: float32([size * 5000]),
  })),
  ...written('places of non-finite logits, and columns', EITHER, FREE, (size) => places(1, size * 50_000, size)),
  ...written('places of non-finite logits, and rows', EITHER, FREE, (size) => places(size * 4000, 16, size)),
  ...written('unknown fields', REFUSALS, FREE, (size) => ({ ...names(size * UNKNOWN_NAMES), ...small() })),
  ...OPTIONS.flatMap(([name, answers, options]) =>
    written(name, answers, FREE, (size) => ({ ...small(), options: options(size) })),
  ),
  ...malformed,
  ...inference,
];
