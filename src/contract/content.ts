import { Type } from '#typebox';
import { documentsOf } from '../wire/media-types.ts';

const JSON_TYPE = 'application/json';

type Content = Record<string, { schema: object }>;

/** A body of bytes. */
export const bytesBody = (title: string, description: string) => Type.String({ title, format: 'binary', description });

/** Schemas by the names of formats, in which the bodies of an operation have a form of their own. */
type OwnSchemas = Readonly<Record<string, object>>;

/** Request body of each media type. JSON has a schema, the others are bytes for those who generate clients. */
export function requestContent(mediaTypes: readonly string[], schema: object, own: OwnSchemas = {}): Content {
  return contentOf(mediaTypes, (type) => {
    const { name, request } = documentsOf(type);
    return own[name] ?? (request ? bytesBody(request.title, request.description) : schema);
  });
}

/** Answer of each media type. */
export function answerContent(mediaTypes: readonly string[], schema: object, own: OwnSchemas = {}): Content {
  return contentOf(mediaTypes, (type) => {
    const { name, answer } = documentsOf(type);
    return own[name] ?? (answer ? bytesBody(answer.title, answer.description) : schema);
  });
}

/** JSON comes first, because the manual selects the first. */
function contentOf(mediaTypes: readonly string[], schemaOf: (mediaType: string) => object): Content {
  return Object.fromEntries(
    mediaTypes
      .toSorted((a, b) => Number(b === JSON_TYPE) - Number(a === JSON_TYPE))
      .map((type) => [type, { schema: schemaOf(type) }]),
  );
}
