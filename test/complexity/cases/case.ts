import type { Client, HttpAnswer, HttpRequest } from '../../http-client.ts';
import type { Encoded } from '../../request-bodies.ts';

/** Sizes as multiples of the smallest. */
export const SIZES = [1, 2, 4, 8] as const;

/** Next size. It is measured when costs seem to grow too fast, and shows whether the last doubling was only a step. */
export const FURTHER_SIZE = 16;

/** A request to an operation of the OpenAPI document. */
export interface OperationRequest {
  readonly params?: Readonly<Record<string, string | number>>;
  readonly query?: Readonly<Record<string, string | number | readonly string[]>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Encoded;
}

/** A part of a request that a client can make large. */
export interface ComplexityCase {
  readonly name: string;
  /** Name of an operation of the OpenAPI document. */
  readonly operation: string;
  /** Allowed statuses of the answers. */
  readonly answers: readonly number[];
  /** Creates the data that the request needs. It is not measured. @param size 1, 2, 4 or 8 */
  readonly prepare?: (client: Client, size: number) => Promise<void>;
  readonly request: (size: number) => OperationRequest | Promise<OperationRequest>;
  /** Number of requests that are sent at the same time; default 1. */
  readonly copies?: (size: number) => number;
  /** Sends the request. The default reads the answer to its end. */
  readonly send?: (client: Client, request: HttpRequest) => Promise<HttpAnswer>;
}

export function httpRequest(operation: string, { params, query, headers, body }: OperationRequest): HttpRequest {
  const [method, template] = operation.split(' ') as [string, string];
  const path = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params![name]!));
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {}))
    for (const one of Array.isArray(value) ? (value as readonly string[]) : [value]) search.append(name, String(one));
  return {
    method,
    path: query === undefined ? path : `${path}?${search.toString()}`,
    headers: { ...body?.headers, ...headers },
    body: body?.body,
  };
}
