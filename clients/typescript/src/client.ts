import { decode, encode } from '@msgpack/msgpack';
import { createApi } from './api.ts';
import type { Api, Fetch } from './api.ts';
import { readEvents } from './events.ts';
import { parseAnswer } from './json.ts';
import { ProblemError } from './problem.ts';
import type {
  Batch,
  ComparedBatch,
  Comparison,
  Diagnosis,
  DiagnosisBatch,
  Evaluation,
  LogprobComparison,
  Logprobs,
} from './types.ts';

const MSGPACK = 'application/vnd.msgpack';

const DEFAULT_URL = 'http://127.0.0.1:8080';

export interface ClientOptions {
  /**
   * Address of the service. It may have a path, such as that of a proxy. By default it is the environment's `LOSSMETER_URL`,
   * or `http://127.0.0.1:8080`.
   */
  url?: string | URL;
  /** Key of the service. By default it is the environment's `LOSSMETER_API_KEY`. */
  key?: string;
  /** Replacement for the global `fetch`. */
  fetch?: Fetch;
}

interface CallOptions {
  signal?: AbortSignal;
}

/** A change of a run: a step in the form of `/v1/runs/{run}/steps`, the summary of the run, or its deletion. */
export interface RunEvent {
  type: 'step' | 'run' | 'deleted';
  id: string;
  data: unknown;
}

/**
 * A client of the service. Non-finite numbers in answers are JavaScript numbers. Errors are thrown as ProblemError.
 * @example const { loss } = await new Client().crossEntropy({ logits: tensor(logits, [2, 3]), label: [2, 0] });
 */
export class Client {
  /** Every operation of the service by its path, in JSON. */
  readonly api: Api;
  readonly #url: URL;
  readonly #headers: Record<string, string>;
  readonly #fetch: Fetch;

  constructor({
    url = variable('LOSSMETER_URL') ?? DEFAULT_URL,
    key = variable('LOSSMETER_API_KEY'),
    fetch = (request) => globalThis.fetch(request),
  }: ClientOptions = {}) {
    this.#url = new URL(String(url).replace(/\/?$/, '/'));
    this.#headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
    this.#fetch = fetch;
    this.api = createApi(this.#url, this.#headers, fetch);
  }

  /** Evaluates a batch, which travels as MessagePack. */
  async crossEntropy(batch: Batch, options: CallOptions = {}): Promise<Evaluation> {
    return (await this.#post('v1/cross-entropy', inOrder(batch), options)) as Evaluation;
  }

  /** Surveys a tensor. */
  async diagnose(batch: DiagnosisBatch, options: CallOptions = {}): Promise<Diagnosis> {
    return (await this.#post('v1/diagnose', inOrder(batch), options)) as Diagnosis;
  }

  /**
   * Compares two sets of logits: KL divergence, agreement, perplexity. The reference waits in the memory of the service
   * while the logits stream: name a large one as a file, or split the rows.
   */
  async klDivergence({ reference, ...others }: ComparedBatch, options: CallOptions = {}): Promise<Comparison> {
    return (await this.#post('v1/kl-divergence', { reference, ...inOrder(others) }, options)) as Comparison;
  }

  /** Compares the log-probabilities that two sides gave for the same tokens. */
  async compareLogprobs(logprobs: Logprobs, options: CallOptions = {}): Promise<LogprobComparison> {
    return (await this.#post('v1/logprobs/compare', logprobs, options)) as LogprobComparison;
  }

  /**
   * Follows the changes of a run, over one connection.
   * @param options.lastEventId id of the last event that was seen: the stream begins with the changes after it
   */
  async *events(
    run: string,
    { lastEventId, signal }: CallOptions & { lastEventId?: string } = {},
  ): AsyncGenerator<RunEvent> {
    const { body } = await this.send(`v1/runs/${encodeURIComponent(run)}/events`, {
      headers: { accept: 'text/event-stream', ...(lastEventId !== undefined && { 'last-event-id': lastEventId }) },
      ...(signal && { signal }),
    });
    for await (const { type, id, data } of readEvents(body!)) {
      yield { type: type as RunEvent['type'], id, data: data === '' ? undefined : parseAnswer(data) };
    }
  }

  /**
   * Sends a request that the typed operations cannot express, such as a file.
   * @param path path of the operation below the address of the service
   * @throws TypeError for a path that leads to another address, which must not receive the key
   * @throws ProblemError
   */
  async send(
    path: string,
    { headers, ...init }: Omit<RequestInit, 'headers'> & { headers?: Record<string, string> } = {},
  ): Promise<Response> {
    const url = new URL(path.replace(/^\/+/, ''), this.#url);
    if (!url.href.startsWith(this.#url.href)) throw new TypeError(`${url.href} is not below ${this.#url.href}`);
    const request = new Request(url, { ...init, headers: { ...this.#headers, ...headers } });
    const response = await this.#fetch(request);
    if (!response.ok) throw await ProblemError.of(response);
    return response;
  }

  async #post(path: string, fields: object, options: CallOptions): Promise<unknown> {
    const response = await this.send(path, {
      method: 'POST',
      headers: { 'content-type': MSGPACK, accept: MSGPACK },
      body: encode(fields, { useBigInt64: true, ignoreUndefined: true }),
      ...options,
    });
    return decode(await response.arrayBuffer());
  }
}

/** Environment variable in Node.js; undefined in a browser. */
function variable(name: string): string | undefined {
  return (globalThis as { process?: { env?: Record<string, string | undefined> } }).process?.env?.[name];
}

/** Puts the logits last, so that the service evaluates them as they arrive. */
function inOrder({ logits, ...others }: { logits: unknown }): object {
  return { ...others, logits };
}
