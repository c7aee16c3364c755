import { Value } from '#typebox';
import type { TSchema } from '#typebox';
import { MOST_LABELS, RunMetadata as Metadata, RunRename } from '../contract/run-metadata.ts';
import { faultOfRunName } from '../contract/run-name.ts';
import { LossmeterError, refuse } from '../errors.ts';
import { placeOf, shortened } from '../schema-errors.ts';
import { showValue } from '../suggestion.ts';
import type { RunMetadata } from './record.ts';

/** Most keys and tags, and most characters of a key, that are checked. A request beyond these limits is invalid anyway. */
const MOST_KEYS = MOST_LABELS + 1;

/** @throws LossmeterError invalid_metadata, with the first invalid places */
export function readMetadata(given: unknown): RunMetadata {
  const value = shortened(given, MOST_KEYS);
  if (Value.Check(Metadata, value)) {
    const { expected_ranks: expectedRanks, tags, ...others } = value;
    return {
      ...others,
      ...(expectedRanks !== undefined && { expectedRanks }),
      ...(tags && { tags: [...new Set(tags)] }),
    };
  }
  throw refusalOf(Metadata, value, given);
}

/** New name of a run. @throws LossmeterError invalid_metadata */
export function readRename(given: unknown): string {
  const value = shortened(given, MOST_KEYS);
  if (Value.Check(RunRename, value)) return value.name;
  const { name } = (value ?? {}) as { name?: unknown };
  const fault = typeof name === 'string' ? faultOfRunName(name) : undefined;
  if (fault !== undefined) throw refuse('invalid_metadata', '/name', `/name ${fault}; received ${showValue(name)}`);
  throw refusalOf(RunRename, value, given);
}

/** @param value the given value, shortened */
function refusalOf(schema: TSchema, value: unknown, given: unknown): LossmeterError {
  const places = Value.Errors(schema, value).map((error) => placeOf(error, schema));
  const detail = `${places.map((place) => place.detail).join('; ')}; received ${showValue(given)}`;
  return new LossmeterError('invalid_metadata', detail, places);
}
