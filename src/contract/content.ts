import { Type } from 'typebox';
import { SAFETENSORS_MEDIA_TYPES } from '../wire/media-types.ts';

const JSON_TYPE = 'application/json';

type Content = Record<string, { schema: object }>;

/** A body of bytes. */
export const bytesBody = (title: string, description: string) => Type.String({ title, format: 'binary', description });

const MessagePackBody = bytesBody(
  'MessagePackBody',
  'The fields of the JSON body in MessagePack. `data` of a tensor is a bin; a tensor can also be an array of msgpack-numpy.',
);

/** Request body of each media type. JSON has a schema, the others are bytes for those who generate clients. */
export function requestContent(
  mediaTypes: readonly string[],
  schema: object,
  { safetensors, bytes = MessagePackBody }: { safetensors?: object; bytes?: object },
): Content {
  return contentOf(mediaTypes, (type) => {
    if (type === JSON_TYPE) return schema;
    return (SAFETENSORS_MEDIA_TYPES.includes(type) && safetensors) || bytes;
  });
}

/** Answer of each media type. safetensors answers are files, and have a schema of their own. */
export const answerContent = (mediaTypes: readonly string[], schema: object, safetensors: object = schema): Content =>
  contentOf(mediaTypes, (type) => (SAFETENSORS_MEDIA_TYPES.includes(type) ? safetensors : schema));

/** JSON comes first, because the manual selects the first. */
function contentOf(mediaTypes: readonly string[], schemaOf: (mediaType: string) => object): Content {
  return Object.fromEntries(
    mediaTypes
      .toSorted((a, b) => Number(b === JSON_TYPE) - Number(a === JSON_TYPE))
      .map((type) => [type, { schema: schemaOf(type) }]),
  );
}
