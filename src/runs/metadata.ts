import { Type } from 'typebox';
import { Value } from 'typebox/value';
import { LossmeterError } from '../errors.ts';
import { showValue } from '../suggestion.ts';
import type { RunMetadata } from './record.ts';

/** Most ranks of a step, and most micro-batches of a rank. */
export const MOST_PARTS = 2 ** 20;

/** Most labels of a run. */
const MOST_LABELS = 64;

export const Labels = Type.Record(
  Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._/-]{0,63}$' }),
  Type.Union(
    [
      Type.String({ maxLength: 256, description: 'A text.', examples: ['adamw'] }),
      Type.Number({
        minimum: -Number.MAX_VALUE,
        maximum: Number.MAX_VALUE,
        description: 'A number.',
        examples: [3e-4],
      }),
      Type.Boolean({ description: 'A truth.', examples: [true] }),
    ],
    { title: 'LabelValue' },
  ),
  {
    title: 'Labels',
    maxProperties: MOST_LABELS,
    additionalProperties: false,
    description: 'Metadata that the owner gives the run.',
    examples: [{ model: 'gpt-1b', lr: 3e-4 }],
  },
);

export const ExpectedRanks = Type.Integer({
  minimum: 1,
  maximum: MOST_PARTS,
  description: 'Number of ranks that report each step; a step is complete when all of them reported.',
  examples: [8],
});

/** Request body of PUT /v1/runs/{run}. */
export const Metadata = Type.Object(
  { labels: Type.Optional(Labels), expected_ranks: Type.Optional(ExpectedRanks) },
  {
    title: 'RunMetadata',
    additionalProperties: false,
    description: 'Metadata of the run; absent fields keep their values.',
    examples: [{ labels: { model: 'char-lm', lr: 0.001 }, expected_ranks: 8 }],
  },
);

/** Most keys, and most characters of a key, that are checked. A request beyond these limits is invalid anyway. */
const MOST_KEYS = MOST_LABELS + 1;
const MOST_POINTER_CHARACTERS = 200;

/** @throws LossmeterError invalid_metadata, with the first invalid places */
export function readMetadata(given: unknown): RunMetadata {
  const value = shortened(given);
  if (Value.Check(Metadata, value)) {
    const { labels, expected_ranks: expectedRanks } = value;
    return { ...(labels && { labels }), ...(expectedRanks !== undefined && { expectedRanks }) };
  }
  const places = Value.Errors(Metadata, value).map(({ instancePath, message }) => {
    const pointer = instancePath.slice(0, MOST_POINTER_CHARACTERS);
    return { pointer, detail: `${pointer === '' ? 'the body' : pointer} ${message}` };
  });
  const detail = `${places.map((place) => place.detail).join('; ')}; came ${showValue(given)}`;
  throw new LossmeterError('invalid_metadata', detail, places);
}

/** The metadata with its first keys only: checking each of a million keys takes seconds. */
function shortened(value: unknown): unknown {
  if (!isObject(value)) return value;
  const short = firstEntries(value);
  const { labels } = value as { labels?: unknown };
  return isObject(labels) && Object.hasOwn(short, 'labels') ? { ...short, labels: firstEntries(labels) } : short;
}

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function firstEntries(value: object): Record<string, unknown> {
  const entries: [string, unknown][] = [];
  for (const key in value) {
    if (entries.length === MOST_KEYS) break;
    entries.push([key, (value as Record<string, unknown>)[key]]);
  }
  return Object.fromEntries(entries);
}
