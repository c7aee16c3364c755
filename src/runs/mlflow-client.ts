import { describeFailure } from './endpoint.ts';
import type { Endpoint } from './endpoint.ts';

/** Metric of a run in MLflow's format. Time in milliseconds since 1970. */
export interface Metric {
  key: string;
  value: number;
  timestamp: number;
  step: number;
}

export interface MlflowOptions {
  /** The tracking server. */
  server: Endpoint;
  /** Name of the experiment that runs belong to. */
  experiment: string;
}

/** Most metrics in one log-batch request. */
export const MOST_METRICS = 1000;

/** Tag by which an existing run is found. */
const RUN_TAG = 'lossmeter.run';

/** Most characters of a run name that MLflow's databases accept. */
const MOST_NAME = 250;

const ANSWER_WITHIN_MS = 30_000;

interface RunInfo {
  info: { run_id: string };
}

/** Client for the part of MLflow's REST API (2.0) that logs metrics. */
export class MlflowClient {
  readonly #options: MlflowOptions;
  readonly #signal: AbortSignal;
  #experiment: string | undefined;

  constructor(options: MlflowOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
  }

  /**
   * Logs metrics of a run.
   * @param id in MLflow
   * @param metrics at most MOST_METRICS
   * @throws MlflowError RESOURCE_DOES_NOT_EXIST for a run that was deleted; Error when the server does not answer or rejects
   *   the request
   */
  async log(id: string, metrics: readonly Metric[]): Promise<void> {
    await this.#call('runs/log-batch', { run_id: id, metrics });
  }

  /**
   * Gives a run another name and tag.
   * @throws Error when the server does not answer or rejects the request
   */
  async rename(id: string, name: string): Promise<void> {
    await this.#call('runs/set-tag', { run_id: id, key: RUN_TAG, value: tagOf(name) });
    await this.#call('runs/update', { run_id: id, run_name: shortName(name) });
  }

  /** Id of the run with a name; undefined without one. @throws Error as `log` */
  async find(name: string): Promise<string | undefined> {
    const experiment = await this.#experimentOf();
    const found = (await this.#call('runs/search', {
      experiment_ids: [experiment],
      filter: `tags.\`${RUN_TAG}\` = '${tagOf(name)}'`,
      max_results: 1,
    })) as { runs?: RunInfo[] };
    return found.runs?.[0]?.info.run_id;
  }

  /** @returns id of the new run. @throws Error as `log` */
  async create(name: string): Promise<string> {
    const { run } = (await this.#call('runs/create', {
      experiment_id: await this.#experimentOf(),
      run_name: shortName(name),
      start_time: Date.now(),
      tags: [{ key: RUN_TAG, value: tagOf(name) }],
    })) as { run: RunInfo };
    return run.info.run_id;
  }

  async #experimentOf(): Promise<string> {
    if (this.#experiment !== undefined) return this.#experiment;
    const { experiment: name } = this.#options;
    const query = new URLSearchParams({ experiment_name: name });
    const found = (await this.#call(`experiments/get-by-name?${query.toString()}`).catch((error: unknown) => {
      if (error instanceof MlflowError && error.code === 'RESOURCE_DOES_NOT_EXIST') return undefined;
      throw error;
    })) as { experiment: { experiment_id: string } } | undefined;
    const made = found === undefined ? await this.#call('experiments/create', { name }) : found.experiment;
    this.#experiment = (made as { experiment_id: string }).experiment_id;
    return this.#experiment;
  }

  /** Calls the API: POST when there is a body, otherwise GET. */
  async #call(method: string, body?: object): Promise<unknown> {
    const { server } = this.#options;
    const request = {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        'content-type': 'application/json',
        ...(server.authorization !== undefined && { authorization: server.authorization }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.any([this.#signal, AbortSignal.timeout(ANSWER_WITHIN_MS)]),
    };
    const { ok, status, text } = await ask(`${server.url.replace(/\/+$/, '')}/api/2.0/mlflow/${method}`, request).catch(
      (error: unknown) => {
        throw new Error(`${method} was not answered: ${describeFailure(error, server)}`);
      },
    );
    if (ok) return parse(method, text);
    throw new MlflowError(method, status, server.redact(text));
  }
}

const shortName = (name: string): string => Array.from(name).slice(0, MOST_NAME).join('');

/**
 * Tag of a run. MLflow's filters have no escapes: characters that may end or change a text in quotes are
 * percent-encoded.
 */
function tagOf(name: string): string {
  return name.replaceAll(/['"\\`%;]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}

async function ask(url: string, request: RequestInit): Promise<{ ok: boolean; status: number; text: string }> {
  const response = await fetch(url, request);
  return { ok: response.ok, status: response.status, text: await response.text() };
}

/** The parser's message would quote the text, so it is not shown. */
function parse(method: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${method} was answered with ${text.length} characters that are not JSON`);
  }
}

/** Rejection by the server. */
export class MlflowError extends Error {
  override readonly name = 'MlflowError';
  readonly code: string | undefined;
  readonly status: number;

  /** @param text the reply, with secrets removed */
  constructor(method: string, status: number, text: string) {
    super(`${method} was answered with ${status}: ${text.slice(0, 300)}`);
    this.status = status;
    this.code = /"error_code":\s*"(\w+)"/.exec(text)?.[1];
  }

  /** True when a retry would be rejected again; false when the server, its token or the run may recover. */
  get isFinal(): boolean {
    return this.status === 400 || this.status === 413 || this.status === 422;
  }
}
