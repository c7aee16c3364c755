import { takeSequences } from '../../batch/sequences.ts';
import { refuse } from '../../errors.ts';
import { readWeights } from '../../loss/operands.ts';
import { readSegments } from '../../loss/segments.ts';
import { partOf } from '../../tensor/tensor.ts';
import type { WeightRule } from '../../loss/operands.ts';
import { inSteps } from '../../steps.ts';
import type { Steps } from '../../steps.ts';
import { placeIn, showValue } from '../../suggestion.ts';
import { elementCount, formatShape, sameShape } from '../../tensor/shape.ts';
import type { Shape } from '../../tensor/shape.ts';
import { numbersOf } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { SPLIT_ADVICE } from '../../wire/body/held-bytes.ts';
import type { HeldBytesAccount } from '../../wire/body/held-bytes.ts';
import { requireDTypeOf, tensorFromValue } from '../../wire/tensors/tensor-value.ts';

/** Bytes per token: both log-probabilities and its mask. */
const BYTES_PER_TOKEN = 24;

/** Maximum log-probability. Rounding may lift the logarithm of a probability of 1 above 0. */
const MOST_LOGPROB = 0.01;

/** Minimum log-probability. Sums of lower values could overflow. */
const LEAST_LOGPROB = -1e290;

const MASK: WeightRule = {
  name: 'input_mask',
  code: 'invalid_mask',
  isWeight: (value) => value === 0 || value === 1,
  expected: '0 or 1: a token counts, or it does not',
};

/** Log-probabilities that two sides gave for the same tokens. */
export interface Tokens {
  readonly old: Float64Array;
  readonly new: Float64Array;
  /** Lengths of the sequences, which the tokens fill in order. */
  readonly lengths: ArrayLike<number>;
  readonly isCounted: (token: number) => boolean;
}

/**
 * Reads the fields of a comparison, and checks them.
 * @throws LossmeterError invalid_tensor, shape_mismatch, invalid_mask, body_too_large
 */
export function* readTokens(fields: Readonly<Record<string, unknown>>, held: HeldBytesAccount): Steps<Tokens> {
  const tensor = (name: 'old' | 'new' | 'input_mask' | 'segments'): Tensor | undefined => {
    const value = fields[name] ?? undefined;
    if (value === undefined) return undefined;
    const read = tensorFromValue(name, value);
    requireDTypeOf(name, read.dtype);
    return read;
  };
  const [old, trained] = [tensor('old')!, tensor('new')!];
  const { shape } = old;
  requireShapes(shape, trained.shape);
  const count = elementCount(shape)!;
  held.take(count * BYTES_PER_TOKEN, `${count} tokens, ${BYTES_PER_TOKEN} bytes each,`, SPLIT_ADVICE);
  const segments = tensor('segments');
  takeSequences(sequencesOf(shape, segments), held);
  const lengths = segments === undefined ? rowsOf(shape) : yield* readSegmentsOf(segments, shape);
  const mask = yield* readMask(tensor('input_mask'), shape);
  const isCounted = mask === undefined ? () => true : (token: number) => mask[token] === 1;
  const read = { old: yield* readNumbers(old), new: yield* readNumbers(trained) };
  yield* requireLogprobs('old', read.old, isCounted);
  yield* requireLogprobs('new', read.new, isCounted);
  return { ...read, lengths, isCounted };
}

function requireShapes(old: Shape, trained: Shape): void {
  if (old.length !== 1 && old.length !== 2) {
    throw refuse('shape_mismatch', '/old/shape', `old has shape ${formatShape(old)}, expected (N,) or (B, T)`);
  }
  if (sameShape(old, trained)) return;
  const detail = `new has shape ${formatShape(trained)}, expected ${formatShape(old)}, the shape of old`;
  throw refuse('shape_mismatch', '/new/shape', detail);
}

/** @throws LossmeterError shape_mismatch, invalid_tensor */
function readSegmentsOf(segments: Tensor, shape: Shape): Steps<ArrayLike<number>> {
  if (shape.length === 1) return readSegments(segments, { rows: shape[0]!, what: 'the tokens of old' });
  const detail = `segments are given for old of shape ${formatShape(shape)}, whose rows are the sequences already; expected old of shape (N,), or no segments`;
  throw refuse('shape_mismatch', '/segments', detail);
}

function sequencesOf(shape: Shape, segments: Tensor | undefined): number {
  if (segments !== undefined) return elementCount(segments.shape)!;
  return shape.length === 1 ? 1 : shape[0]!;
}

/** The rows of (B, T) are sequences; (N,) is one. */
function rowsOf(shape: Shape): readonly number[] {
  return shape.length === 1 ? [shape[0]!] : Array.from({ length: shape[0]! }, () => shape[1]!);
}

function* readMask(mask: Tensor | undefined, shape: Shape): Steps<Float64Array | undefined> {
  if (mask === undefined) return undefined;
  const count = elementCount(shape)!;
  if (!sameShape(mask.shape, shape) && !sameShape(mask.shape, [count])) {
    const detail = `input_mask has shape ${formatShape(mask.shape)}, expected ${formatShape(shape)}, the shape of old`;
    throw refuse('shape_mismatch', '/input_mask/shape', detail);
  }
  return yield* readWeights(mask, MASK, { start: 0, count });
}

function* readNumbers(tensor: Tensor): Steps<Float64Array> {
  const numbers = new Float64Array(elementCount(tensor.shape)!);
  yield* inSteps(numbers.length, (from, to) => numbers.set(numbersOf(partOf(tensor, from, to)), from));
  return numbers;
}

/** @throws LossmeterError invalid_tensor at the first counted token whose value is not a log-probability */
function* requireLogprobs(name: 'old' | 'new', values: Float64Array, isCounted: Tokens['isCounted']): Steps<void> {
  yield* inSteps(values.length, (from, to) => {
    for (let token = from; token < to; token++) {
      const value = values[token]!;
      if ((value >= LEAST_LOGPROB && value <= MOST_LOGPROB) || !isCounted(token)) continue;
      const detail = `${name}[${token}] is ${showValue(value)}, expected a log-probability: a finite number of at most ${MOST_LOGPROB}, above 0 by rounding only; input_mask of 0 leaves a token out`;
      throw refuse('invalid_tensor', placeIn(name, 'data', token), detail);
    }
  });
}
