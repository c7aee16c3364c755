import { refuse } from '../errors.ts';
import { showValue } from '../suggestion.ts';

/** Largest class index that a kernel can handle. */
export const MAX_CLASSES = 2 ** 31 - 1;

/** Position of the columns of the logits among all classes: [start, start + columns) of `size`. */
export interface Vocabulary {
  readonly start: number;
  readonly size: number;
}

/** Additional fields of a shard's request. */
export const VOCABULARY_FIELDS = ['vocab_start', 'vocab_size'] as const;

/**
 * @param fields unchecked fields of the request
 * @param columns number of columns of the logits
 * @throws LossmeterError missing_field, invalid_shard
 */
export function requireVocabulary(fields: Readonly<Record<string, unknown>>, columns: number): Vocabulary {
  const size = requireInteger('vocab_size', fields, 1);
  const start = requireInteger('vocab_start', fields, 0);
  if (start + columns > size) {
    const detail = `the shard has the classes [${start}, ${start + columns}), but vocab_size is ${size}`;
    throw refuse('invalid_shard', '/vocab_start', detail);
  }
  return { start, size };
}

function requireInteger(
  name: (typeof VOCABULARY_FIELDS)[number],
  fields: Readonly<Record<string, unknown>>,
  minimum: number,
): number {
  const value = fields[name];
  const expected = `an integer in [${minimum}, ${MAX_CLASSES}]`;
  if (value === undefined || value === null) {
    throw refuse('missing_field', `/${name}`, `the field ${name} is missing: expected ${expected}`);
  }
  if (typeof value === 'number' && Number.isInteger(value) && value >= minimum && value <= MAX_CLASSES) return value;
  throw refuse('invalid_shard', `/${name}`, `${name} is ${showValue(value)}, expected ${expected}`);
}
