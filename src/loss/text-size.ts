import { ExactSum } from '../exact-sum.ts';
import { refuse } from '../errors.ts';
import { placeIn } from '../suggestion.ts';
import { METRICS } from '../statistics/list.ts';
import type { SequenceFacts } from '../statistics/sequences.ts';
import type { Steps } from '../steps.ts';
import { elementCount, formatShape, sameShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { NOT_NEGATIVE, isMask, readWeights } from './operands.ts';
import type { Options } from './options.ts';

/** Total sizes of the texts of a batch. */
export type TextSizes = Pick<SequenceFacts, 'bytes' | 'words'>;

/** Sizes of the texts as received. */
export type GivenSizes = Readonly<Partial<Record<keyof TextSizes, Tensor | undefined>>>;

/**
 * Reads the sizes of the texts: one size for the whole batch, or one for each sequence.
 * @param sequences number of sequences
 * @throws LossmeterError missing_field when a metric needs a missing size, shape_mismatch, invalid_tensor
 */
export function* readTextSizes(
  given: GivenSizes,
  { metrics }: Pick<Options, 'metrics'>,
  sequences: number,
): Steps<TextSizes> {
  for (const name of metrics) {
    const { field } = METRICS[name];
    if (field === undefined || given[field] !== undefined) continue;
    const detail = `options.metrics asks for ${name}, which needs the field ${field}: a number, or one for each sequence`;
    throw refuse('missing_field', placeIn(field), detail);
  }
  return {
    bytes: yield* totalOf('bytes', given.bytes, sequences),
    words: yield* totalOf('words', given.words, sequences),
  };
}

function* totalOf(name: keyof TextSizes, size: Tensor | undefined, sequences: number): Steps<number | undefined> {
  if (size === undefined) return undefined;
  const { shape } = size;
  if (shape.length > 0 && !sameShape(shape, [sequences])) {
    const expected = `a number, or shape ${formatShape([sequences])}: one for each sequence`;
    throw refuse(
      'shape_mismatch',
      placeIn(name, 'shape'),
      `${name} has shape ${formatShape(shape)}, expected ${expected}`,
    );
  }
  const rule = { name, code: 'invalid_tensor', isWeight: isMask, expected: NOT_NEGATIVE } as const;
  return ExactSum.of(yield* readWeights(size, rule, { start: 0, count: elementCount(shape)! })).value;
}
