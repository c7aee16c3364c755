import { SAFETENSORS_MEDIA_TYPES } from '../wire/media-types.ts';

export const JSON_TYPE = 'application/json';

/**
 * The same schema for each of some media types, JSON first: the manual chooses the first. safetensors, whose bodies are
 * files, has one of its own.
 */
export function contentOf(
  mediaTypes: readonly string[],
  schema: object,
  file: object = schema,
): Record<string, { schema: object }> {
  return Object.fromEntries(
    mediaTypes
      .toSorted((a, b) => Number(b === JSON_TYPE) - Number(a === JSON_TYPE))
      .map((type) => [type, { schema: SAFETENSORS_MEDIA_TYPES.includes(type) ? file : schema }]),
  );
}
