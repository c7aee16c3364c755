import { JSON_TYPE } from './content.ts';
import { mapValues } from './portable.ts';

type Named<T> = Record<string, T>;

interface Operation {
  requestBody?: { content: Named<unknown> };
}

/**
 * OpenAPI document for the page at /docs/. Its server is the parent path of the page, so it works behind a proxy that
 * adds a prefix. Binary request bodies become files to choose.
 */
export function pageDocument(document: Readonly<Named<unknown>>): Named<unknown> {
  const paths = document['paths'] as Named<Named<Operation>>;
  return { ...document, servers: [{ url: '..' }], paths: mapValues(paths, (methods) => mapValues(methods, withFiles)) };
}

function withFiles({ requestBody, ...others }: Operation): Operation {
  if (requestBody === undefined) return others;
  const content = Object.entries(requestBody.content).map(([type, media]) => [type, type === JSON_TYPE ? media : FILE]);
  return { ...others, requestBody: { ...requestBody, content: Object.fromEntries(content) as Named<unknown> } };
}

const FILE = { schema: { type: 'string', format: 'binary', description: 'A file with the body.' } };
