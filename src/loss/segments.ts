import { refuse } from '../errors.ts';
import type { Steps } from '../steps.ts';
import { isFloatDType } from '../tensor/dtype.ts';
import { formatShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { readIntegers } from './operands.ts';

/** Number of rows that segments must fill, and their name in messages. */
interface Filled {
  readonly rows: number;
  readonly what: string;
}

/**
 * Reads the lengths of the sequences, which must sum to the number of rows.
 * @throws LossmeterError invalid_tensor, shape_mismatch
 */
export function* readSegments(segments: Tensor, { rows, what }: Filled): Steps<ArrayLike<number>> {
  if (segments.shape.length > 1) {
    const detail = `segments has shape ${formatShape(segments.shape)}, expected (S,): a length for each sequence`;
    throw refuse('shape_mismatch', '/segments/shape', detail);
  }
  if (isFloatDType(segments.dtype) || segments.dtype === 'bool') {
    const detail = `segments.dtype is ${segments.dtype}, expected integers: the lengths of the sequences`;
    throw refuse('invalid_tensor', '/segments/dtype', detail);
  }
  const lengths = yield* readIntegers(segments);
  let total = 0;
  for (let k = 0; k < lengths.length; k++) {
    const length = lengths[k]!;
    if (length < 0) {
      const detail = `segments[${k}] is ${length}, expected a length, which is not negative`;
      throw refuse('invalid_tensor', `/segments/data/${k}`, detail);
    }
    total += length;
  }
  if (total === rows) return lengths;
  throw refuse('shape_mismatch', '/segments', `segments sum to ${total}, expected ${rows}, ${what}`);
}
