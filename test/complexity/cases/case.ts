import type { Client, HttpAnswer, HttpRequest } from '../../http-client.ts';
import type { Encoded } from '../../request-bodies.ts';

/** Sizes as multiples of the smallest. */
export const SIZES = [1, 2, 4, 8] as const;

/** A request to an operation of the OpenAPI document. */
export interface OperationRequest {
  readonly params?: Readonly<Record<string, string | number>>;
  readonly query?: Readonly<Record<string, string | number | readonly string[]>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Encoded;
}

/** Something that a client makes large. */
export interface ComplexityCase {
  readonly name: string;
  /** The name of an operation of the OpenAPI document. */
  readonly operation: string;
  /** The statuses that its answers may have. */
  readonly answers: readonly number[];
  /** Makes what the request is about; its work is not measured. @param size 1, 2, 4 or 8 */
  readonly prepare?: (client: Client, size: number) => Promise<void>;
  readonly request: (size: number) => OperationRequest | Promise<OperationRequest>;
  /** Requests that are sent at the same time; one without. */
  readonly copies?: (size: number) => number;
  /** Sends the request, and reads the answer to its end if it is not said otherwise. */
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
