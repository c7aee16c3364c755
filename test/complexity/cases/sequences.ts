/** Any number of sequences, with their lengths and the sizes of their texts. */
import { MOST_SEQUENCES } from '../../../src/contract/limits.ts';
import { WRITERS } from '../../request-bodies.ts';
import type { Writer } from '../../request-bodies.ts';
import { float32, int32, rowsOf } from './batches.ts';
import { SIZES } from './case.ts';
import type { ComplexityCase, OperationRequest } from './case.ts';
import { ENDPOINTS } from './evaluations.ts';
import { LONG_TEXT, REFUSALS, UNKNOWN_NAMES, names, repeated, text } from './options.ts';

type Fields = Readonly<Record<string, unknown>>;

/** An operation that accepts sequences. */
interface Target {
  readonly operation: string;
  readonly answers: readonly number[];
  readonly tensors: readonly string[];
  readonly metrics: readonly string[];
  /** Fields in addition to the fields of every batch. */
  readonly beside: (rows: number) => Fields;
  readonly around: (body: ReturnType<(typeof WRITERS)[Writer]>) => OperationRequest;
}

const METRICS = ['sequence_perplexity', 'standard_error', 'bits_per_byte', 'byte_perplexity', 'word_perplexity'];

const targets: readonly Target[] = [
  ...ENDPOINTS.filter(({ operation }) => !/partials|diagnose/.test(operation)).map(
    ({ operation, answers, around }): Target => ({
      ...{ operation, answers, around, metrics: METRICS },
      tensors: ['segments', 'bytes', 'words'],
      beside: () => ({}),
    }),
  ),
  {
    ...{ operation: 'POST /v1/kl-divergence', answers: [200], tensors: ['segments'], metrics: [] },
    beside: (rows) => ({ reference: float32([rows, 8], (k) => k % 5) }),
    around: (body) => ({ body }),
  },
];

const FREE = ['json', 'msgpack'] as const;
const ROWS = 8000;
const writers = Object.keys(WRITERS) as Writer[];

/** Sequences up to MOST_SEQUENCES, the most that an answer lists. */
function sequencesOf({ tensors, metrics, beside }: Target, size: number): Fields {
  const rows = size * ROWS;
  const sequences = (size * MOST_SEQUENCES) / SIZES.at(-1)!;
  const length = Math.floor(rows / sequences);
  const options = { outputs: ['sequences'], ...(metrics.length > 0 && { metrics }) };
  const sizes = Object.fromEntries(
    tensors.filter((name) => name !== 'segments').map((name) => [name, float32([sequences], (k) => 1 + (k % 9))]),
  );
  return {
    ...sizes,
    segments: int32([sequences], (k) => (k === 0 ? rows - length * (sequences - 1) : length)),
    ...beside(rows),
    ...rowsOf(rows, options),
  };
}

/** Sequences as lists without a dtype. */
function listsOf({ tensors, beside }: Target, size: number): Fields {
  const sequences = size * 500;
  return {
    ...Object.fromEntries(tensors.map((name) => [name, repeated(sequences, name === 'segments' ? 2 : 5)])),
    ...beside(2 * sequences),
    ...rowsOf(2 * sequences, {}),
  };
}

const grown: readonly [name: string, value: (size: number) => unknown][] = [
  ['unknown members', (size) => ({ ...int32([2]), ...names(size * UNKNOWN_NAMES) })],
  ['axes', (size) => ({ ...int32([2]), shape: [...repeated(size * 4 - 1, 1), 2] })],
  ['a shape beyond its data', (size) => ({ ...int32([2]), shape: [size * 2 ** 40] })],
  ['rows of nothing', (size) => ({ ...int32([0]), shape: [size * 2 ** 40, 0] })],
  ['entries that are no numbers', (size) => ({ dtype: 'int32', data: repeated(size * 20_000, 'x') })],
  ['nested entries', (size) => [repeated(size * 20_000, 1), 1]],
  ['nested entries of its data', (size) => ({ dtype: 'int32', data: [repeated(size * 20_000, 1), 1] })],
  ['sequences of nothing', (size) => int32([size * 100_000])],
  ['names of file and tensor', (size) => ({ file: text(size * LONG_TEXT), tensor: text(size * LONG_TEXT) })],
  ['a text', (size) => text(size * LONG_TEXT)],
  ['a number', (size) => size],
];

export const SEQUENCE_CASES: readonly ComplexityCase[] = targets.flatMap((target) => {
  const { operation, answers, tensors, beside, around } = target;
  const written = (
    name: string,
    expected: readonly number[],
    chosen: readonly Writer[],
    fieldsOf: (size: number) => Fields,
  ): ComplexityCase[] =>
    chosen.map((writer) => ({
      name: `${name}, as ${writer}`,
      ...{ operation, answers: expected },
      request: (size) => around(WRITERS[writer](fieldsOf(size))),
    }));
  return [
    ...written('sequences with all metrics', answers, writers, (size) => sequencesOf(target, size)),
    ...written('lists of sequences', answers, FREE, (size) => listsOf(target, size)),
    ...tensors.flatMap((field) =>
      grown.flatMap(([name, value]) =>
        written(`${name} of ${field}`, [...answers, ...REFUSALS], FREE, (size) => ({
          segments: int32([2], () => 4),
          ...beside(8),
          ...rowsOf(8, {}),
          [field]: value(size),
        })),
      ),
    ),
  ];
});
