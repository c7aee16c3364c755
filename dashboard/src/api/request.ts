import { createApi } from '../../../clients/typescript/src/api.ts';
import type { Api } from '../../../clients/typescript/src/api.ts';
import { ProblemError } from '../../../clients/typescript/src/problem.ts';
import { askForKey, currentKey } from './key.ts';

/** Returns true for a failure that may pass: the service cannot be reached, restarts or has too much to do. */
export function mayPass(error: unknown): boolean {
  return !(error instanceof ProblemError) || error.problem.status >= 500 || error.problem.status === 429;
}

/** Address of a path of the API, relative to this page: the service may stand below a path of its own. */
export const addressOf = (path: string): string => new URL(path, document.baseURI).href;

let operations: Api | undefined;

/** The operations of the service, which ask for a key where one is needed. */
export const api = (): Api =>
  (operations ??= createApi(new URL(addressOf('.')), {}, (request) =>
    withKey((headers) => {
      const keyed = request.clone();
      for (const [name, value] of Object.entries(headers)) keyed.headers.set(name, value);
      return fetch(keyed);
    }),
  ));

type Init = Omit<RequestInit, 'headers'> & { headers?: Record<string, string> };

/**
 * Calls the service where the operations cannot: with a file, or for a stream.
 * @throws ProblemError
 */
export async function request(path: string, { headers, ...init }: Init = {}): Promise<Response> {
  const response = await withKey((key) => fetch(addressOf(path), { ...init, headers: { ...headers, ...key } }));
  if (!response.ok) throw await ProblemError.of(response);
  return response;
}

/** Sends a request. Refused for want of a key, it asks for one and tries again, as often as it takes. */
async function withKey(send: (headers: Record<string, string>) => Promise<Response>): Promise<Response> {
  for (;;) {
    const key = currentKey();
    const response = await send(key === undefined ? {} : { authorization: `Bearer ${key}` });
    if (response.status !== 401) return response;
    const { message } = await ProblemError.of(response);
    // Another request may have got a key while this one was under way.
    if (currentKey() === key) await askForKey(key === undefined ? undefined : message);
  }
}
