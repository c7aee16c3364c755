/** Comparisons of log-probabilities of any size. */
import { MOST_SEQUENCES } from '../../../src/contract/limits.ts';
import { WRITERS } from '../../request-bodies.ts';
import type { Writer } from '../../request-bodies.ts';
import { float32, int32 } from './batches.ts';
import { SIZES } from './case.ts';
import type { ComplexityCase } from './case.ts';
import { LONG_TEXT, REFUSALS, UNKNOWN_NAMES, names, repeated, text } from './options.ts';

const TOKENS = 50_000;
const TENSORS = ['old', 'new', 'input_mask', 'segments'] as const;

type Fields = Readonly<Record<string, unknown>>;

function written(
  name: string,
  answers: readonly number[],
  writers: readonly Writer[],
  fieldsOf: (size: number) => Fields,
): ComplexityCase[] {
  return writers.map((writer) => ({
    name: `${name}, as ${writer}`,
    operation: 'POST /v1/logprobs/compare',
    answers,
    request: (size) => ({ body: WRITERS[writer](fieldsOf(size)) }),
  }));
}

const logprob = (k: number): number => -((k * 7919) % 64) / 8;

/** Tokens of sequences. The number of sequences is at most MOST_SEQUENCES, the most that an answer lists. */
function tokensOf(size: number): Fields {
  const tokens = size * TOKENS;
  const sequences = (size * MOST_SEQUENCES) / SIZES.at(-1)!;
  const length = Math.floor(tokens / sequences);
  return {
    old: float32([tokens], logprob),
    new: float32([tokens], (k) => logprob(k) - 0.01),
    input_mask: int32([tokens], (k) => (k % 7 === 0 ? 0 : 1)),
    segments: int32([sequences], (k) => (k === 0 ? tokens - length * (sequences - 1) : length)),
  };
}

function listsOf(size: number): Fields {
  const logprobs = Array.from({ length: size * TOKENS * 0.2 }, (_, k) => logprob(k));
  return {
    old: logprobs,
    new: logprobs,
    input_mask: logprobs.map(() => 1),
    segments: repeated(logprobs.length / 10, 10),
  };
}

/** Elements without a shape: base64 alone, and bytes with a dtype. */
function flatOf(size: number): Fields {
  const { data } = float32([size * TOKENS], logprob);
  return { old: Buffer.from(data).toString('base64'), new: { dtype: 'float32', data } };
}

/** Rows, each of which is a sequence. */
function rowsOf(size: number): Fields {
  const shape = [size * 1000, 8];
  return { old: float32(shape, logprob), new: float32(shape, logprob), input_mask: int32(shape, () => 1) };
}

/** One sequence. Its length is a plain number in `segments`. */
function oneSequenceOf(size: number): Fields {
  const tokens = size * TOKENS;
  return { old: float32([tokens], logprob), new: float32([tokens], logprob), segments: tokens };
}

const FREE = ['json', 'msgpack'] as const;
const EITHER = [200, ...REFUSALS];
const writers = Object.keys(WRITERS) as Writer[];
const small = (): Fields => ({ old: float32([4], logprob), new: float32([4], logprob) });

const malformed = TENSORS.flatMap((field) => {
  const grown: readonly [name: string, value: (size: number) => unknown][] = [
    ['unknown members', (size) => ({ ...float32([4]), ...names(size * UNKNOWN_NAMES) })],
    ['axes', (size) => ({ ...float32([4]), shape: [...repeated(size * 4 - 1, 1), 4] })],
    ['a shape beyond its data', (size) => ({ ...float32([4]), shape: [size * 2 ** 40] })],
    ['rows of nothing', (size) => ({ ...float32([0]), shape: [size * 2 ** 40, 0] })],
    ['entries that are no numbers', (size) => ({ dtype: 'float32', data: repeated(size * 20_000, 'x') })],
    ['nested entries', (size) => [repeated(size * 20_000, 1), 1]],
    ['nested entries of its data', (size) => ({ dtype: 'float32', data: [repeated(size * 20_000, 1), 1] })],
    ['names of file and tensor', (size) => ({ file: text(size * LONG_TEXT), tensor: text(size * LONG_TEXT) })],
    ['a text', (size) => text(size * LONG_TEXT)],
  ];
  return grown.flatMap(([name, value]) =>
    written(`${name} of ${field}`, EITHER, FREE, (size) => ({ ...small(), [field]: value(size) })),
  );
});

export const LOGPROB_CASES: readonly ComplexityCase[] = [
  ...written('tokens of sequences', [200], writers, tokensOf),
  ...written('rows', [200], writers, rowsOf),
  ...written('lists', [200], FREE, listsOf),
  ...written('flat vectors', [200], FREE, flatOf),
  ...written('one sequence', [200], FREE, oneSequenceOf),
  ...written('sequences of nothing', [413], ['msgpack'], (size) => ({ ...small(), segments: int32([size * 100_000]) })),
  ...written('unknown names', REFUSALS, FREE, (size) => ({ ...small(), ...names(size * UNKNOWN_NAMES) })),
  ...malformed,
];
