import { Type } from '#typebox';
import { documentsOf } from '../wire/media-types.ts';

const JSON_TYPE = 'application/json';

type Content = Record<string, { schema: object }>;

/** Schema of a binary body. */
export const bytesBody = (title: string, description: string) => Type.String({ title, format: 'binary', description });

/** Schemas by format name, for the formats in which an operation has its own form of body. */
type OwnSchemas = Readonly<Record<string, object>>;

/** Request body of each media type: the own schema of its format, else bytes if the format documents them, else `schema`. */
export function requestContent(mediaTypes: readonly string[], schema: object, own: OwnSchemas = {}): Content {
  return contentOf(mediaTypes, (type) => {
    const { name, request } = documentsOf(type);
    return own[name] ?? (request ? bytesBody(request.title, request.description) : schema);
  });
}

/** Answer of each media type, chosen in the same way. */
export function answerContent(mediaTypes: readonly string[], schema: object, own: OwnSchemas = {}): Content {
  return contentOf(mediaTypes, (type) => {
    const { name, answer } = documentsOf(type);
    return own[name] ?? (answer ? bytesBody(answer.title, answer.description) : schema);
  });
}

/** Puts JSON first, because the manual selects the first media type. */
function contentOf(mediaTypes: readonly string[], schemaOf: (mediaType: string) => object): Content {
  return Object.fromEntries(
    mediaTypes
      .toSorted((a, b) => Number(b === JSON_TYPE) - Number(a === JSON_TYPE))
      .map((type) => [type, { schema: schemaOf(type) }]),
  );
}
