import type { TopRows } from '../../engine/compared-rows.ts';
import { refuse } from '../../errors.ts';
import { readIntegers } from '../../loss/operands.ts';
import { ENTRIES_PER_STEP, inSteps } from '../../steps.ts';
import type { Steps } from '../../steps.ts';
import { placeIn } from '../../suggestion.ts';
import { DTYPE_BYTES, isFloatDType } from '../../tensor/dtype.ts';
import type { DType } from '../../tensor/dtype.ts';
import { elementCount, formatShape, sameShape } from '../../tensor/shape.ts';
import type { Shape } from '../../tensor/shape.ts';
import { numbersOf, partOf } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { HeldBytesAccount } from '../../wire/body/held-bytes.ts';
import { SPLIT_ADVICE } from '../../wire/body/held-bytes.ts';
import { missingField } from '../../wire/request.ts';
import type { ReadRequest } from '../../wire/request.ts';
import { tensorFromValue } from '../../wire/tensors/tensor-value.ts';

/** Names of the tensors of the top K. */
export const TOP_REFERENCE = ['reference.indices', 'reference.logprobs'] as const;

/** Bytes of an entry: a class, and its log-probability. */
const BYTES_PER_ENTRY = DTYPE_BYTES.int32 + DTYPE_BYTES.float64;

/** Integers that are read as float64 first. */
const WIDE: ReadonlySet<DType> = new Set<DType>(['int64', 'uint64']);

/**
 * Rounding of the sum of the probabilities of a row. Sums are in float64, but log-probabilities are rounded, float64 ones
 * often to float32: x − lse is then off by up to 4e-6 for an lse below 128. `excess`: the sum may exceed 1 by this. `rest`:
 * the other classes have no probability if it is at most this, and the logits exclude these classes.
 */
const ROUNDING = { narrow: { excess: 1e-2, rest: 1e-2 }, wide: { excess: 1e-3, rest: 1e-5 } };
const NARROW: ReadonlySet<DType> = new Set<DType>(['float16', 'bfloat16', 'float8_e4m3fn', 'float8_e5m2']);

/**
 * Reads the top K of a teacher: distinct classes for each row, and their log-probabilities. The probabilities of a row sum
 * to at most 1.
 * @param shape of the logits
 * @throws LossmeterError missing_field, shape_mismatch, invalid_reference
 */
export function* readTopReference(fields: ReadRequest['fields'], shape: Shape, held: HeldBytesAccount): Steps<TopRows> {
  const [indices, logprobs] = TOP_REFERENCE.map((name) => {
    const value = fields[name] ?? undefined;
    if (value === undefined) throw missingField(name);
    return tensorFromValue(name, value);
  }) as [Tensor, Tensor];
  const rows = elementCount(shape.slice(0, -1))!;
  const classes = shape.at(-1)!;
  const K = requireShape(indices, logprobs, { leading: shape.slice(0, -1), rows, classes });
  if (isFloatDType(indices.dtype)) throw invalid(TOP_REFERENCE[0], '/dtype', `is ${indices.dtype}, expected integers`);
  if (!isFloatDType(logprobs.dtype)) throw invalid(TOP_REFERENCE[1], '/dtype', `is ${logprobs.dtype}, expected floats`);
  const perEntry = BYTES_PER_ENTRY + (WIDE.has(indices.dtype) ? DTYPE_BYTES.float64 : 0);
  const bytes = rows * K * perEntry + classes * DTYPE_BYTES.int32;
  held.take(bytes, `the top ${K} classes of ${rows} rows`, SPLIT_ADVICE);
  const rounding = NARROW.has(logprobs.dtype) ? ROUNDING.narrow : ROUNDING.wide;
  const top: TopRows = {
    K,
    rounding: rounding.rest,
    indices: new Int32Array(rows * K),
    logprobs: new Float64Array(rows * K),
  };
  const classesOf = yield* readIntegers(indices);
  const most = 1 + rounding.excess;
  // Row in which a class was last seen, from 1.
  const seen = new Int32Array(classes);
  yield* inSteps(rows * K, (from, to) => {
    top.logprobs.set(numbersOf(partOf(logprobs, from, to)), from);
    for (let at = from; at < to; at++) {
      const row = Math.floor(at / K);
      const y = classesOf[at]!;
      if (!(y >= 0 && y < classes))
        throw invalid(TOP_REFERENCE[0], `/data/${at}`, `[${at}] is ${y}, expected a class in [0, ${classes})`);
      if (seen[y] === row + 1)
        throw invalid(TOP_REFERENCE[0], `/data/${at}`, `[${at}] is ${y}, which row ${row} has already`);
      seen[y] = row + 1;
      top.indices[at] = y;
      const logprob = top.logprobs[at]!;
      if (!(logprob < Infinity))
        throw invalid(TOP_REFERENCE[1], `/data/${at}`, `[${at}] is ${logprob}, expected a number or -Infinity`);
    }
  });
  const requireMass = (from: number, to: number): void => {
    for (let row = from; row < to; row++) {
      let sum = 0;
      for (let at = row * K; at < (row + 1) * K; at++) sum += Math.exp(top.logprobs[at]!);
      if (sum <= most) continue;
      const what = `of row ${row} have probabilities that sum to ${sum}, expected at most 1`;
      throw invalid(TOP_REFERENCE[1], `/data/${row * K}`, what);
    }
  };
  yield* inSteps(rows, requireMass, Math.max(1, Math.floor(ENTRIES_PER_STEP / K)));
  return top;
}

/** @returns K */
function requireShape(
  indices: Tensor,
  logprobs: Tensor,
  { leading, rows, classes }: { leading: Shape; rows: number; classes: number },
): number {
  const K = indices.shape.at(-1) ?? 0;
  const isOfRows = sameShape(indices.shape, [...leading, K]) || sameShape(indices.shape, [rows, K]);
  if (!isOfRows || K < 1 || K > classes) {
    const expected = [...new Set([leading, [rows]].map((axes) => `(${[...axes, 'K'].join(', ')})`))];
    const detail = `reference.indices have shape ${formatShape(indices.shape)}, expected ${expected.join(' or ')} with 1 ≤ K ≤ ${classes}`;
    throw refuse('shape_mismatch', placeIn(TOP_REFERENCE[0], 'shape'), detail);
  }
  if (!sameShape(indices.shape, logprobs.shape)) {
    const detail = `reference.logprobs have shape ${formatShape(logprobs.shape)}, expected ${formatShape(indices.shape)}, that of reference.indices`;
    throw refuse('shape_mismatch', placeIn(TOP_REFERENCE[1], 'shape'), detail);
  }
  return K;
}

function invalid(name: (typeof TOP_REFERENCE)[number], place: string, what: string): Error {
  return refuse('invalid_reference', `${placeIn(name)}${place}`, `${name}${what.startsWith('[') ? '' : ' '}${what}`);
}
