import { SAFETENSORS_MEDIA_TYPES } from '../wire/media-types.ts';

export const JSON_TYPE = 'application/json';

/**
 * Body schema for each media type, JSON first, because the manual selects the first. safetensors bodies are files, and
 * have a schema of their own.
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
