/** A client for jobs, and the result that a single process prints for the same files. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT } from '../e2e/process.ts';
import type { Job } from '../../src/contract/jobs.ts';

export interface Problem {
  status: number;
  code: string;
  detail: string;
  errors?: { pointer: string }[];
}

export interface Result {
  kind: string;
  total: Record<string, unknown>;
  files: Record<string, unknown>[];
}

const ENDED = new Set<string>(['succeeded', 'failed', 'cancelled']);

/** A client of the jobs of a service. */
export class JobClient {
  readonly #url: () => string;

  constructor(url: () => string) {
    this.#url = url;
  }

  async call(method: string, path = '', body?: object): Promise<{ status: number; body: unknown }> {
    const response = await fetch(`${this.#url()}/v1/jobs${path}`, {
      method,
      ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  }

  /** Creates a job. */
  async create(order: object): Promise<Job> {
    const { status, body } = await this.call('POST', '', order);
    if (status !== 202) throw new Error(JSON.stringify(body));
    return body as Job;
  }

  async get(id: number): Promise<Job> {
    return (await this.call('GET', `/${id}`)).body as Job;
  }

  /** Waits until a job meets a condition; by default until it has ended. */
  async until(id: number, wanted = ({ state }: Job): boolean => ENDED.has(state), withinMs = 20_000): Promise<Job> {
    for (const end = performance.now() + withinMs; ;) {
      const job = await this.get(id);
      if (wanted(job)) return job;
      if (performance.now() > end) throw new Error(`not as wanted: ${JSON.stringify(job)}`);
      await sleep(20);
    }
  }

  async result(id: number): Promise<Result> {
    const { status, body } = await this.call('GET', `/${id}/result`);
    if (status !== 200) throw new Error(JSON.stringify(body));
    return body as Result;
  }
}

/** Result that a command prints as JSON, run in a folder. Drops `total.sequences`: jobs list sequences only by file. */
export function printed(folder: string, ...args: string[]): Omit<Result, 'kind'> {
  const environment = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('LOSSMETER_')),
  );
  const { stdout, stderr } = spawnSync(process.execPath, [join(ROOT, 'src/cli/bin.js'), ...args, '--json'], {
    ...{ cwd: folder, encoding: 'utf8', env: environment, maxBuffer: 2 ** 28, timeout: 60_000 },
  });
  if (stdout === '') throw new Error(stderr);
  const result = JSON.parse(stdout) as Omit<Result, 'kind'>;
  delete result.total['sequences'];
  return result;
}
