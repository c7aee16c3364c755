import { MOST_ITEMS, MOST_SCALARS_OF_ALL } from '../contract/bulk.ts';
import { MOST_PARTS } from '../contract/run-metadata.ts';
import { MOST_ATTEMPT } from '../contract/scalars.ts';
import { LossmeterError, refuse } from '../errors.ts';
import { BESIDES, readBesides } from '../evaluations/cross-entropy/besides.ts';
import { PAIR_FIELDS, runPair } from '../evaluations/cross-entropy/recording.ts';
import { pointerTo, showValue, suggestName } from '../suggestion.ts';
import type { BatchKey, KeyedRecording } from './record.ts';

/** Fields of the key of an item, with their largest values. */
const KEY_FIELDS = {
  step: Number.MAX_SAFE_INTEGER,
  rank: MOST_PARTS - 1,
  micro_batch: MOST_PARTS - 1,
  attempt: MOST_ATTEMPT,
} as const;

const FIELDS: readonly string[] = [...Object.keys(KEY_FIELDS), ...PAIR_FIELDS, ...BESIDES];

/**
 * Items of a bulk recording, each as a recording, or as the error of an invalid item.
 * @throws LossmeterError bad_request for a body that is not an array, and for too many items or scalars
 */
export function readItems(run: string, given: unknown): (KeyedRecording | LossmeterError)[] {
  if (!Array.isArray(given)) {
    throw new LossmeterError('bad_request', `the body is ${showValue(given)}, expected an array of items`);
  }
  if (given.length > MOST_ITEMS) {
    throw new LossmeterError('bad_request', `the body has ${given.length} items, expected at most ${MOST_ITEMS}`);
  }
  const items = given.map((item: unknown) => readItem(run, item));
  const scalars = items.reduce((sum, item) => sum + ('key' in item ? (item.scalars?.length ?? 0) : 0), 0);
  if (scalars > MOST_SCALARS_OF_ALL) {
    const detail = `the items have ${scalars} scalars, expected at most ${MOST_SCALARS_OF_ALL} in all`;
    throw new LossmeterError('bad_request', detail);
  }
  return items;
}

function readItem(run: string, given: unknown): KeyedRecording | LossmeterError {
  try {
    if (typeof given !== 'object' || given === null || Array.isArray(given)) {
      throw new LossmeterError('invalid_item', `the item is ${showValue(given)}, expected an object`);
    }
    return toRecording(run, given as Readonly<Record<string, unknown>>);
  } catch (error) {
    if (error instanceof LossmeterError) return error;
    throw error;
  }
}

function toRecording(run: string, item: Readonly<Record<string, unknown>>): KeyedRecording {
  for (const name in item) if (!FIELDS.includes(name)) throw unknownField(name);
  const key: BatchKey = {
    run,
    step: readInteger(item, 'step'),
    rank: readInteger(item, 'rank', 0),
    microBatch: readInteger(item, 'micro_batch', 0),
    attempt: readInteger(item, 'attempt', 0),
  };
  const { scalars, device } = readBesides(item);
  const hasPair = PAIR_FIELDS.some((name) => (item[name] ?? undefined) !== undefined);
  if (!hasPair) {
    if (scalars.length === 0) {
      throw new LossmeterError('invalid_item', 'the item has neither numerator and denominator nor scalars');
    }
    if (device !== undefined) {
      throw refuse('invalid_item', '/device', 'device is given without numerator and denominator, which it requires');
    }
    return { key, scalars };
  }
  const { evaluation, digest } = runPair(item, key);
  const { numerator, denominator, diagnostics } = evaluation;
  return { key, recording: { numerator, denominator, diagnostics, digest, device }, scalars };
}

function unknownField(name: string): LossmeterError {
  const meant = suggestName(name, FIELDS);
  const hint = meant === undefined ? `expected one of ${FIELDS.join(', ')}` : `did you mean ${meant}?`;
  return refuse('unknown_field', pointerTo(name), `${showValue(name)} is not a field of an item, ${hint}`);
}

function readInteger(
  item: Readonly<Record<string, unknown>>,
  name: keyof typeof KEY_FIELDS,
  standard?: number,
): number {
  const value = item[name] ?? standard;
  const most = KEY_FIELDS[name];
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most) return value;
  if (value === undefined) throw refuse('missing_field', pointerTo(name), `the field ${name} is missing`);
  const detail = `${name} is ${showValue(value)}, expected an integer from 0 to ${most}`;
  throw refuse('invalid_item', pointerTo(name), detail);
}
