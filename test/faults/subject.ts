import type { SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect } from 'vitest';
import { NoStartError, ServiceProcess } from '../e2e/process.ts';
import type { Fault } from './table.ts';

const JSON_TYPE = { 'content-type': 'application/json' };
const PRELOAD = new URL('./thread-ender.ts', import.meta.url).href;
const RUN = '/v1/runs/r';

/** Milliseconds within which the service must notice the beginning or the end of a fault. */
const NOTICE_MS = 8000;

export interface Answer {
  status: number;
  code: string | undefined;
  detail: string;
  retryAfter: string | null;
}

/** A service with its own store, and the recordings that it acknowledged. */
export class Subject {
  readonly folder: string;
  readonly store: string;
  readonly #acknowledged = new Map<number, number>();
  #service: ServiceProcess | undefined;
  #step = 0;

  /** @param folder folder of the store; default a temporary folder */
  constructor(folder?: string) {
    this.folder = folder ?? mkdtempSync(join(tmpdir(), 'lossmeter-fault-'));
    this.store = join(this.folder, 'runs.db');
    subjects.push(this);
  }

  get service(): ServiceProcess {
    return this.#service!;
  }

  get pid(): number {
    return this.service.child.pid!;
  }

  get acknowledged(): number {
    return this.#acknowledged.size;
  }

  /** Starts or restarts the service. */
  async start(environment: Record<string, string> = {}, options: SpawnOptions = {}): Promise<void> {
    const settings = { LOSSMETER_STORE: this.store, LOSSMETER_WORKERS: '1', ...environment };
    this.#service = await ServiceProcess.start(settings, options);
  }

  /** Starts the service so that `endThreads` can end its threads. */
  async startWithThreads(environment: Record<string, string> = {}): Promise<void> {
    const options = { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] } satisfies SpawnOptions;
    await this.start({ NODE_OPTIONS: `--import ${PRELOAD}`, ...environment }, options);
  }

  /** Ends the threads that run a file. @param name part of the file's path @returns the number of threads */
  async endThreads(name: string): Promise<number> {
    this.service.child.send(name);
    const [count] = (await once(this.service.child, 'message')) as [number];
    return count;
  }

  async request(path: string, init?: RequestInit): Promise<Answer> {
    const response = await fetch(this.service.url + path, init);
    const text = await response.text();
    const type = response.headers.get('content-type') ?? '';
    const { code, detail = '' } = (type.includes('problem') ? JSON.parse(text) : {}) as Partial<Answer>;
    return { status: response.status, code, detail, retryAfter: response.headers.get('retry-after') };
  }

  /** Records the next step, and remembers it when the service acknowledges it. */
  async record(): Promise<Answer> {
    const step = this.#step++;
    const numerator = step + 0.25;
    const body = JSON.stringify({ numerator, denominator: 1 });
    const answer = await this.request(`${RUN}/steps/${step}/ranks/0`, { method: 'PUT', headers: JSON_TYPE, body });
    if (answer.status === 201) this.#acknowledged.set(step, numerator);
    return answer;
  }

  /** Records steps, all of which the service must acknowledge. */
  async recordMany(count: number): Promise<void> {
    for (let k = 0; k < count; k++) expect(await this.record()).toMatchObject({ status: 201 });
  }

  async evaluate(): Promise<Answer> {
    const body = JSON.stringify({ logits: [[1, 2, 3]], label: [2] });
    return this.request('/v1/cross-entropy', { method: 'POST', headers: JSON_TYPE, body });
  }

  /** Answer of /readyz. */
  async readiness(): Promise<{ status: number; ready: boolean; history?: { available: boolean; detail: string } }> {
    const response = await fetch(`${this.service.url}/readyz`);
    return { status: response.status, ...((await response.json()) as { ready: boolean }) };
  }

  /** Value of lossmeter_store_available: 1 while runs can be recorded, else 0. */
  async metric(): Promise<number> {
    const text = await (await fetch(`${this.service.url}/metrics`)).text();
    return Number(/^lossmeter_store_available (\d)$/m.exec(text)?.[1] ?? Number.NaN);
  }

  /** Acknowledged steps that the service lacks, or has with another value. */
  async lost(): Promise<number[]> {
    if (this.acknowledged === 0) return [];
    const response = await fetch(`${this.service.url}${RUN}/export?format=jsonl&of=steps`);
    expect(response.status).toBe(200);
    const lines = (await response.text()).split('\n').filter((line) => line !== '');
    const steps = new Map(
      lines.map((line) => {
        const { step, numerator } = JSON.parse(line) as { step: number; numerator: number };
        return [step, numerator];
      }),
    );
    return [...this.#acknowledged].filter(([step, value]) => steps.get(step) !== value).map(([step]) => step);
  }

  /** Expects that recordings are refused as the row of a fault says, and that everything else works. */
  async expectRefusing(fault: Fault, detail: RegExp): Promise<void> {
    const refused = await this.record();
    expect(fault.answers).toContainEqual({ status: refused.status, code: refused.code });
    expect(refused).toMatchObject({
      retryAfter: expect.stringMatching(/^\d+$/) as unknown,
      detail: expect.stringMatching(detail) as unknown,
    });
    await this.expectServing();
    await this.until(async () => {
      const { status, ready, history } = await this.readiness();
      return status === 200 && ready && history?.available === false && detail.test(history.detail);
    }, `/readyz says ${detail}`);
    expect(await this.metric()).toBe(0);
  }

  /** Expects that evaluations and probes are answered. */
  async expectServing(): Promise<void> {
    const answers = await Promise.all([this.evaluate(), this.request('/livez'), this.request('/readyz')]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  }

  /** Waits until recordings are acknowledged again, and expects that no acknowledged recording is lost. */
  async expectRecovered(): Promise<void> {
    await this.until(async () => (await this.record()).status === 201, 'a recording is acknowledged');
    await this.until(async () => (await this.readiness()).history === undefined, '/readyz says nothing of the history');
    expect(await this.metric()).toBe(1);
    await this.recordMany(3);
    await this.expectServing();
    expect(await this.lost()).toEqual([]);
  }

  async until(isSo: () => Promise<boolean>, what: string): Promise<void> {
    const end = performance.now() + NOTICE_MS;
    while (!(await isSo())) {
      if (performance.now() > end)
        throw new Error(`not within ${NOTICE_MS} ms: ${what}\n${this.service.output.slice(-2000)}`);
      await sleep(50);
    }
  }

  /** Starts a service that must end by itself. */
  async startFails(options: SpawnOptions = {}): Promise<NoStartError> {
    const error = await this.start({}, options).then(
      () => new Error('it started'),
      (reason: unknown) => reason,
    );
    if (!(error instanceof NoStartError)) throw error;
    return error;
  }

  /** Forgets all acknowledged recordings, after their file was deleted. */
  forget(): void {
    this.#acknowledged.clear();
  }

  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    return this.service.end(signal);
  }

  async remove(): Promise<void> {
    await this.#service?.end('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const subjects: Subject[] = [];

afterEach(async () => {
  await Promise.all(subjects.splice(0).map((subject) => subject.remove()));
});
