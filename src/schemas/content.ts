import { SAFETENSORS_MEDIA_TYPES } from '../wire/media-types.ts';

/** The same schema for each of some media types; safetensors, whose bodies are files, has one of its own. */
export function contentOf(
  mediaTypes: readonly string[],
  schema: object,
  file: object = schema,
): Record<string, { schema: object }> {
  return Object.fromEntries(
    mediaTypes.map((type) => [type, { schema: SAFETENSORS_MEDIA_TYPES.includes(type) ? file : schema }]),
  );
}
