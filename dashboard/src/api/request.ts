import { parseAnswer } from './json.ts';
import { askForKey, currentKey } from './key.ts';
import type { Problem } from './types.ts';

/** An answer that is no success. */
export class ApiError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail ?? problem.title ?? `the service answered ${problem.status}`);
    this.problem = problem;
  }
}

/** Returns true for a failure that may pass: the service cannot be reached, restarts or has too much to do. */
export function mayPass(error: unknown): boolean {
  return !(error instanceof ApiError) || error.problem.status >= 500 || error.problem.status === 429;
}

/**
 * Calls the service, which may stand below a path of its own: addresses are relative to the page.
 *
 * Refused for want of a key, it asks for one and tries again, as often as it takes.
 * @throws ApiError for any other answer that is no success
 */
export async function request(path: string, { headers = {}, ...init }: Init = {}): Promise<Response> {
  for (;;) {
    const key = currentKey();
    const authorization = key === undefined ? {} : { authorization: `Bearer ${key}` };
    const response = await fetch(addressOf(path), { ...init, headers: { ...headers, ...authorization } });
    if (response.ok) return response;
    const problem = await readProblem(response);
    if (response.status !== 401) throw new ApiError(problem);
    // Another request may have got a key while this one was under way.
    if (currentKey() === key) await askForKey(key === undefined ? undefined : problem.detail);
  }
}

type Init = Omit<RequestInit, 'headers'> & { headers?: Record<string, string> };

/** Where a path of the API is, seen from this page. */
export const addressOf = (path: string): string => new URL(path, document.baseURI).href;

export async function getJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await request(path, { headers: { accept: 'application/json' }, ...(signal && { signal }) });
  return parseAnswer(await response.text()) as T;
}

/** Proxies between the service and this page may answer with anything. */
async function readProblem(response: Response): Promise<Problem> {
  const { status, statusText } = response;
  const text = await response.text();
  try {
    return { ...(parseAnswer(text) as Problem), status };
  } catch {
    return { status, detail: `the service answered ${status} ${statusText}` };
  }
}
