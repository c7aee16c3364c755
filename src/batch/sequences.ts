import { MOST_SEQUENCES } from '../contract/limits.ts';
import { LossmeterError } from '../errors.ts';
import { elementCount } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { SPLIT_ADVICE } from '../wire/body/held-bytes.ts';
import type { HeldBytesAccount } from '../wire/body/held-bytes.ts';

/** Bytes of a sequence in the answer. */
const BYTES_PER_SEQUENCE = 512;

/** Bytes of the length of a segment. */
const BYTES_PER_SEGMENT = 8;

/**
 * Reserves memory for the sequences that an answer lists, before it is allocated.
 * @throws LossmeterError body_too_large, overloaded
 */
export function takeSequences(sequences: number, held: HeldBytesAccount): void {
  requireFew(sequences);
  held.take(sequences * BYTES_PER_SEQUENCE, `${sequences} sequences, ${BYTES_PER_SEQUENCE} bytes each,`, SPLIT_ADVICE);
}

/** Reserves memory for the lengths of segments. @throws LossmeterError body_too_large, overloaded */
export function takeSegments(segments: Tensor | undefined, held: HeldBytesAccount): void {
  if (segments === undefined) return;
  const count = elementCount(segments.shape)!;
  requireFew(count);
  held.take(count * BYTES_PER_SEGMENT, `${count} segments`, SPLIT_ADVICE);
}

function requireFew(sequences: number): void {
  if (sequences <= MOST_SEQUENCES) return;
  const detail = `the request has ${sequences} sequences, expected at most ${MOST_SEQUENCES}; split it by sequences`;
  throw new LossmeterError('body_too_large', detail);
}
