import { refuse } from '../errors.ts';
import { METRICS, STATISTIC_OUTPUTS } from '../statistics/list.ts';
import { showValue } from '../suggestion.ts';
import type { Options } from './options.ts';

/** Largest class index that a kernel can handle. */
export const MAX_CLASSES = 2 ** 31 - 1;

/** Columns of the logits among all classes: [start, start + columns) of `size`. */
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

/** Outputs that shards of the vocabulary suffice for. */
const outputsOverShards: ReadonlySet<string> = new Set([
  'per_token_loss',
  ...Object.entries(STATISTIC_OUTPUTS).flatMap(([name, { overShards }]) => (overShards === true ? [name] : [])),
]);

const SECOND_EXCHANGE = 'over shards of the vocabulary it would need a second exchange between the ranks';

/**
 * Rejects options whose results cannot be computed from partials.
 * @throws LossmeterError invalid_option
 */
export function requireShardable(
  { outputs, metrics, parallel_config: parallel, check_for_nan_in_loss_and_grad: checksGradient, softcap }: Options,
  { probabilities }: { probabilities: boolean },
): void {
  const no = (option: string, name: string, reason = SECOND_EXCHANGE): Error =>
    refuse('invalid_option', `/options/${option}`, `options.${option} asks for ${name}: ${reason}`);
  const output = outputs.find((name) => !outputsOverShards.has(name));
  if (output !== undefined) throw no('outputs', output);
  const metric = metrics.find((name) => METRICS[name].overShards !== true);
  if (metric !== undefined) throw no('metrics', metric);
  if (parallel.model_parallel > 1) {
    throw no('parallel_config', `${parallel.model_parallel} shards`, 'the logits are one of the shards already');
  }
  if (checksGradient && (probabilities || softcap !== undefined)) {
    const what = probabilities ? 'of class probabilities' : 'of soft-capped logits';
    throw no('check_for_nan_in_loss_and_grad', `the norm of the gradient ${what}`);
  }
}
