/** Compares replies with the OpenAPI document: status, media type, declared headers and body. */
import { ERRORS } from '../../src/errors.ts';
import type { Reply } from './recordings.ts';
import { readBody } from './reply-body.ts';
import { Schemas } from './schemas.ts';

interface ResponseObject {
  headers?: Record<string, { required?: boolean; schema: object }>;
  content?: Record<string, { schema: object }>;
}

interface OperationObject {
  responses: Record<string, ResponseObject>;
}

/** Parts of a document with which replies are compared. */
export interface Document {
  paths: Record<string, Record<string, OperationObject>>;
}

interface Path {
  readonly pattern: RegExp;
  readonly methods: Record<string, OperationObject>;
}

/** Paths that the document does not describe: pages, their files, and the document itself. */
const PAGES = /^\/(?:$|docs(?:\/|$)|openapi\.json$|assets\/|runs(?:\/|$)|compare(?:\/|$)|favicon)/;

const OPEN_INFERENCE = /^\/v2(?:\/|$)/;

/** Operations whose 400 response describes every problem, and every error of the Open Inference Protocol. */
const REFUSING = { problem: 'POST /v1/cross-entropy', error: 'POST /v2/models/cross_entropy/infer' };

export class ReplyCheck {
  readonly #document: Document;
  readonly #paths: readonly Path[];
  readonly #schemas = new Schemas();

  constructor(document: Document) {
    this.#document = document;
    this.#paths = Object.entries(document.paths).map(([path, methods]) => ({
      pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}/?$`),
      methods,
    }));
  }

  /** Messages about the differences of a reply from the document. */
  faults(reply: Reply): string[] {
    const path = reply.url?.split('?', 1)[0];
    const name = `${reply.method ?? '(no method)'} ${path ?? '(no path)'}`;
    return this.#faults(reply, path).map((fault) => `${name} → ${reply.status}: ${fault}`);
  }

  #faults(reply: Reply, path: string | undefined): string[] {
    const { method = '', status } = reply;
    // The client had disconnected, and received no reply.
    if (status === ERRORS.client_closed.status) return [];
    const known = this.#paths.find(({ pattern }) => path !== undefined && pattern.test(path));
    // The answer to HEAD is the answer to GET without its body.
    const operation = known?.methods[(method === 'HEAD' ? 'GET' : method).toLowerCase()];
    if (operation !== undefined) {
      const response = operation.responses[status];
      return response === undefined ? ['the document does not have this status'] : this.#compare(reply, response);
    }
    if (status >= 400) return this.#compare(reply, this.#refusal(path));
    if (method === 'OPTIONS' || (path !== undefined && PAGES.test(path))) return [];
    return ['the document does not have this operation'];
  }

  /** Response object for refusals of requests that match no operation, for every status. */
  #refusal(path: string | undefined): ResponseObject {
    const [method, url] = REFUSING[path !== undefined && OPEN_INFERENCE.test(path) ? 'error' : 'problem'].split(' ');
    const { content } = this.#document.paths[url!]![method!.toLowerCase()]!.responses['400']!;
    return { ...(content && { content }) };
  }

  #compare(reply: Reply, { headers = {}, content }: ResponseObject): string[] {
    const faults = Object.entries(headers).flatMap(([name, { required = false, schema }]) => {
      const value = reply.headers[name.toLowerCase()];
      if (value === undefined) return required ? [`there is no ${name}`] : [];
      const { type } = schema as { type?: string };
      return this.#mismatches(`the header ${name}`, schema, type === 'integer' ? Number(value) : value);
    });
    return [...faults, ...this.#compareBody(reply, content)];
  }

  #compareBody(reply: Reply, content: ResponseObject['content']): string[] {
    const { body, method } = reply;
    const type = reply.headers['content-type'];
    if (content === undefined) {
      const empty = type === undefined && (body === undefined || body.byteLength === 0);
      return empty ? [] : [`the document has no body here, there is one of ${String(type)}`];
    }
    const mediaType = String(type).split(';', 1)[0]!.trim();
    const media = content[mediaType];
    if (media === undefined) {
      return [`the media type is ${String(type)}, the document has ${Object.keys(content).join(', ')}`];
    }
    if (method === 'HEAD' || body === undefined) return [];
    try {
      return this.#mismatches('the body', media.schema, readBody(mediaType, { ...reply, body }));
    } catch (error) {
      return [`the body is not ${mediaType}: ${(error as Error).message}`];
    }
  }

  #mismatches(what: string, schema: object, value: unknown): string[] {
    return this.#schemas.mismatches(schema, value).map((mismatch) => `${what} ${mismatch}`);
  }
}
