import { createApi } from '../../../clients/typescript/src/api.ts';
import type { Api } from '../../../clients/typescript/src/api.ts';
import { ProblemError } from '../../../clients/typescript/src/problem.ts';
import { askForKey, currentKey } from './key.ts';

/** Returns true for a transient failure: the service is unreachable, restarting or overloaded. */
export function mayPass(error: unknown): boolean {
  return !(error instanceof ProblemError) || error.problem.status >= 500 || error.problem.status === 429;
}

/** Address of a path of the API, relative to this page: the service may be mounted below a path. */
export const addressOf = (path: string): string => new URL(path, document.baseURI).href;

let operations: Api | undefined;

/** Operations of the service. They ask for a key when one is required. */
export const api = (): Api =>
  (operations ??= createApi(new URL(addressOf('.')), {}, (request) =>
    withKey((headers) => {
      const keyed = request.clone();
      for (const [name, value] of Object.entries(headers)) keyed.headers.set(name, value);
      return fetch(keyed);
    }),
  ));

interface Init extends Omit<RequestInit, 'headers'> {
  headers?: Record<string, string>;
  /** Wraps each attempt, without the wait for a key. */
  watch?: (send: () => Promise<Response>) => Promise<Response>;
}

/**
 * Sends a request that the operations do not cover: with a file, or for a stream.
 * @throws ProblemError
 */
export async function request(
  path: string,
  { headers, watch = (send) => send(), ...init }: Init = {},
): Promise<Response> {
  const response = await withKey((key) =>
    watch(() => fetch(addressOf(path), { ...init, headers: { ...headers, ...key } })),
  );
  if (!response.ok) throw await ProblemError.of(response);
  return response;
}

/** Sends a request. After each 401, asks for a key and retries. */
async function withKey(send: (headers: Record<string, string>) => Promise<Response>): Promise<Response> {
  for (;;) {
    const key = currentKey();
    const response = await send(key === undefined ? {} : { authorization: `Bearer ${key}` });
    if (response.status !== 401) return response;
    const { message } = await ProblemError.of(response);
    // Another request may have obtained a key while this one was pending.
    if (currentKey() === key) await askForKey(key === undefined ? undefined : message);
  }
}
