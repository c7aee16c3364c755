import createClient from 'openapi-fetch';
import type { Client, Middleware } from 'openapi-fetch';
import { parseAnswer, writeRequest } from './json.ts';
import { ProblemError } from './problem.ts';
import type { Paths } from './types.ts';

/** Operations of the service by their paths, in JSON. */
export type Api = Client<Paths, 'application/json'>;

/** Sends a request. */
export type Fetch = (request: Request) => Promise<Response>;

/** Reads answers and throws problems, so that every call returns its data. */
const answers: Middleware = {
  async onResponse({ response }) {
    if (!response.ok) throw await ProblemError.of(response);
    if (!/\bjson\b/.test(response.headers.get('content-type') ?? '')) return undefined;
    const text = await response.text();
    const { status, headers } = response;
    // openapi-fetch reads a body of known length by `json()`.
    const read = new Response(text, { status, headers: { ...Object.fromEntries(headers), 'content-length': '1' } });
    return Object.assign(read, { json: () => Promise.resolve(parseAnswer(text)) });
  },
};

/** The operations of the service at an address. Errors are thrown as ProblemError. */
export function createApi(url: URL, headers: Record<string, string>, fetch: Fetch): Api {
  const api: Api = createClient<Paths, 'application/json'>({
    baseUrl: url.href,
    headers: { accept: 'application/json', ...headers },
    bodySerializer: writeRequest,
    fetch,
  });
  api.use(answers);
  return api;
}
