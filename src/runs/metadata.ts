import { Type } from 'typebox';
import { Value } from 'typebox/value';
import { LossmeterError } from '../errors.ts';
import { showValue } from '../suggestion.ts';
import type { RunMetadata } from './record.ts';

/** Ranks, and micro-batches of a rank, that a step may have. */
export const MOST_PARTS = 2 ** 20;

export const Labels = Type.Record(
  Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._/-]{0,63}$' }),
  Type.Union([
    Type.String({ maxLength: 256, description: 'A text.', examples: ['adamw'] }),
    Type.Number({ minimum: -Number.MAX_VALUE, maximum: Number.MAX_VALUE, description: 'A number.', examples: [3e-4] }),
    Type.Boolean({ description: 'A truth.', examples: [true] }),
  ]),
  {
    maxProperties: 64,
    additionalProperties: false,
    description: 'What its owner says of the run.',
    examples: [{ model: 'gpt-1b', lr: 3e-4 }],
  },
);

export const ExpectedRanks = Type.Integer({
  minimum: 1,
  maximum: MOST_PARTS,
  description: 'Ranks that report each step; a step is complete when all have.',
  examples: [8],
});

/** The body of PUT /v1/runs/{run}. */
export const Metadata = Type.Object(
  { labels: Type.Optional(Labels), expected_ranks: Type.Optional(ExpectedRanks) },
  { additionalProperties: false, description: 'What is said of the run; what is absent stays as it is.' },
);

/** @throws LossmeterError invalid_metadata, with every place that is wrong */
export function readMetadata(value: unknown): RunMetadata {
  if (Value.Check(Metadata, value)) {
    const { labels, expected_ranks: expectedRanks } = value;
    return { ...(labels && { labels }), ...(expectedRanks !== undefined && { expectedRanks }) };
  }
  const places = Value.Errors(Metadata, value).map(({ instancePath, message }) => ({
    pointer: instancePath,
    detail: `${instancePath === '' ? 'the body' : instancePath} ${message}`,
  }));
  const detail = `${places.map((place) => place.detail).join('; ')}; came ${showValue(value)}`;
  throw new LossmeterError('invalid_metadata', detail, places);
}
