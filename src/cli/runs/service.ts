import { setTimeout as sleep } from 'node:timers/promises';
import { UsageError } from '../usage.ts';

/** Status codes after which a request is repeated: too many requests, and temporary failures of a service or proxy. */
const REPEATED = new Set([429, 502, 503, 504]);

const FIRST_MS = 100;
const MOST_MS = 10_000;

/** Random share of a delay, so that clients that were refused together do not return together. */
const JITTER = 0.25;

/** Attempts of a request after the first. The delays between them are 43 to 53 s in all, or longer by Retry-After. */
const RETRIES = 10;

const DEFAULT_URL = 'http://127.0.0.1:8080';

/** Arguments that name the service, for parseArgs. */
export const SERVICE_ARGUMENTS = {
  help: { type: 'boolean', short: 'h' },
  json: { type: 'boolean' },
  url: { type: 'string' },
} as const;

export const SERVICE_USAGE = `  --url URL            address of the service; overrides LOSSMETER_URL, by
                       default ${DEFAULT_URL}
  -h, --help           print this

LOSSMETER_API_KEY is the key of the service, when it needs one.`;

interface Call {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
}

/** Client of the service at LOSSMETER_URL. It repeats a request after a temporary failure. */
export class RemoteService {
  readonly #url: URL;
  readonly #key: string | undefined;
  readonly #retries: number;
  readonly #signal: AbortSignal | undefined;

  /**
   * @param service.retries attempts after the first
   * @param service.signal ends the wait for the next attempt
   * @throws UsageError
   */
  constructor({
    url,
    retries = RETRIES,
    signal,
  }: {
    url?: string | undefined;
    retries?: number;
    signal?: AbortSignal;
  }) {
    const address = url ?? process.env['LOSSMETER_URL'] ?? DEFAULT_URL;
    if (!/^https?:/.test(address) || !URL.canParse(address)) {
      throw new UsageError(`the address of the service is ${address}, expected a URL such as ${DEFAULT_URL}`);
    }
    this.#url = new URL(address.replace(/\/?$/, '/'));
    this.#key = process.env['LOSSMETER_API_KEY'];
    this.#retries = retries;
    this.#signal = signal;
  }

  /** Sends a request. @throws Error for an answer that is an error */
  async send(path: string, { method = 'GET', headers, body }: Call = {}): Promise<Response> {
    const init: RequestInit = {
      method,
      headers: { ...(this.#key !== undefined && { authorization: `Bearer ${this.#key}` }), ...headers },
      ...(body !== undefined && { body }),
    };
    for (let attempt = 0; ; attempt++) {
      const outcome = await this.#try(new URL(path, this.#url), init);
      if (outcome instanceof Response && outcome.ok) return outcome;
      const isRepeated = !(outcome instanceof Response) || REPEATED.has(outcome.status);
      if (!isRepeated || attempt >= this.#retries || this.#signal?.aborted === true) throw await this.#errorOf(outcome);
      const asked = outcome instanceof Response ? Number(outcome.headers.get('retry-after')) * 1000 : 0;
      if (outcome instanceof Response) await outcome.body?.cancel();
      const delay = Math.max(asked || 0, Math.min(FIRST_MS * 2 ** attempt, MOST_MS)) * (1 + JITTER * Math.random());
      await sleep(delay, undefined, { ...(this.#signal && { signal: this.#signal }) }).catch(() => undefined);
    }
  }

  async json<T>(path: string, call: Call = {}): Promise<T> {
    const response = await this.send(path, { ...call, headers: { accept: 'application/json', ...call.headers } });
    return (await response.json()) as T;
  }

  async #try(url: URL, init: RequestInit): Promise<Response | Error> {
    try {
      return await fetch(url, init);
    } catch (error) {
      return error as Error;
    }
  }

  async #errorOf(outcome: Response | Error): Promise<Error> {
    if (!(outcome instanceof Response)) {
      const { cause } = outcome;
      const reason = cause instanceof Error ? cause.message || (cause as { code?: string }).code : outcome.message;
      return new Error(`${this.#url.href} cannot be reached: ${reason}`, { cause: outcome });
    }
    const text = await outcome.text();
    return new Error(`the service answered ${outcome.status}: ${detailOf(text)}`);
  }
}

/** Path of a run. Its name is one segment, with any characters. @throws UsageError */
export function runPath(run: string, rest = ''): string {
  // URL parsers remove segments that are only dots.
  if (run === '' || run === '.' || run === '..') throw new UsageError(`the name of the run is ${JSON.stringify(run)}`);
  return `v1/runs/${encodeURIComponent(run)}${rest}`;
}

/** Detail of a problem (RFC 9457), or the beginning of another body. */
function detailOf(text: string): string {
  try {
    const { detail, title } = JSON.parse(text) as { detail?: string; title?: string };
    const found = detail ?? title;
    if (found !== undefined) return found;
  } catch {
    // A proxy may answer with anything.
  }
  return text.slice(0, 200).trim() || 'no reason was given';
}
