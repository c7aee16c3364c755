import { SIZES, httpRequest } from './cases/case.ts';
import type { ComplexityCase } from './cases/case.ts';
import { Client } from './client.ts';
import type { HttpAnswer } from './client.ts';
import { Liveness } from './liveness.ts';
import { residentMemory, resetPeak } from './resident-memory.ts';
import { LARGEST_EXPONENT, exponentOf } from './scaling.ts';
import { WatchedService } from './watched-service.ts';
import type { WatchedOptions } from './watched-service.ts';

/** Processor time in milliseconds, and growth of memory in megabytes, that are noise. */
const FLOORS = { processorTime: 4, memory: 100 };

/** A turn of the main thread takes at most 20 ms; the looks of the monitor and the garbage collector are beside. */
const LONGEST_TURN_MS = 20 + 8;

/** No probe waits longer, in milliseconds. */
const SLOWEST_PROBE_MS = 300;
const SLOWEST_PROBE_P99_MS = 100;

/** Megabytes beside the bytes in flight that the process may have resident. */
const MEMORY_BESIDE = 300;

/** What a size cost. */
interface Cost {
  readonly processorTime: number;
  readonly memory: number;
  readonly longestTurn: number;
}

export interface ExaminerOptions extends WatchedOptions {
  /** Bytes in flight that the service is allowed; its default without. */
  bytesInFlight?: number;
}

/** Measures cases on a service that it starts anew when one has ended it. */
export class Examiner implements AsyncDisposable {
  readonly #options: ExaminerOptions;
  readonly #liveness = new Liveness();
  #service: WatchedService | undefined;
  #client: Client | undefined;
  readonly #probes: number[] = [];

  constructor(options: ExaminerOptions = {}) {
    this.#options = options;
  }

  /** Sentences about what a case breaks; none when all is well. What is measured badly is measured once more. */
  async findFaults(examined: ComplexityCase): Promise<string[]> {
    const faults = await this.#examine(examined);
    return faults.length === 0 ? [] : this.#examine(examined);
  }

  /** Sentences about the answers to `/livez` over all cases. */
  livenessFaults(): string[] {
    const sorted = this.#probes.toSorted((a, b) => a - b);
    const p99 = sorted[Math.floor(0.99 * (sorted.length - 1))]!;
    return p99 > SLOWEST_PROBE_P99_MS ? [`/livez took ${p99.toFixed(0)} ms at the 99th percentile`] : [];
  }

  async #examine(examined: ComplexityCase): Promise<string[]> {
    const faults: string[] = [];
    const costs: Cost[] = [];
    try {
      await this.#measure(examined, { size: 1 });
      for (const size of SIZES) {
        const { cost, answers } = await this.#measure(examined, { size });
        costs.push(cost);
        faults.push(...unexpected(answers, examined, size), ...this.#overBudget(cost, size));
      }
      faults.push(...tooSteep(costs));
    } catch (error) {
      const ended = this.#service?.ended;
      faults.push(`${ended === undefined ? '' : `the service ended: ${ended}; `}${explain(error)}`);
      faults.push(...(await this.#slowProbes()));
      await this.#stop();
      return faults;
    }
    return [...faults, ...(await this.#slowProbes())];
  }

  async #measure(
    { operation, prepare, request, send = sendOnce }: ComplexityCase,
    { size }: { size: number },
  ): Promise<{ cost: Cost; answers: readonly HttpAnswer[] }> {
    const { service, client } = await this.#start();
    await prepare?.(client, size);
    const sent = httpRequest(operation, await request(size));
    const before = await service.read();
    resetPeak(service.pid);
    const { now } = residentMemory(service.pid);
    const answers = await send(client, sent);
    const after = await service.read();
    const { peak } = residentMemory(service.pid);
    return {
      answers,
      cost: {
        processorTime: after.processorTime - before.processorTime,
        longestTurn: after.longestTurn,
        memory: peak - now,
      },
    };
  }

  #overBudget({ longestTurn }: Cost, size: number): string[] {
    const faults: string[] = [];
    if (longestTurn > LONGEST_TURN_MS) faults.push(`a turn took ${longestTurn.toFixed(0)} ms at ${size}×`);
    const { peak } = residentMemory(this.#service!.pid);
    const allowed = (this.#options.bytesInFlight ?? 2 ** 30) / 1e6 + MEMORY_BESIDE;
    if (peak > allowed)
      faults.push(`${peak.toFixed(0)} MB were resident at ${size}×, ${allowed.toFixed(0)} are allowed`);
    return faults;
  }

  async #slowProbes(): Promise<string[]> {
    const times = await this.#liveness.take();
    this.#probes.push(...times);
    const slowest = Math.max(0, ...times);
    return slowest > SLOWEST_PROBE_MS ? [`/livez took ${slowest.toFixed(0)} ms`] : [];
  }

  async #start(): Promise<{ service: WatchedService; client: Client }> {
    if (this.#service === undefined || this.#client === undefined) {
      const { bytesInFlight, environment = {}, imports = [] } = this.#options;
      const limit = bytesInFlight === undefined ? {} : { LOSSMETER_MAX_BYTES_IN_FLIGHT: String(bytesInFlight) };
      this.#service = await WatchedService.start({ imports, environment: { ...environment, ...limit } });
      this.#client = new Client(this.#service.port);
      this.#liveness.watch(this.#service.port);
    }
    return { service: this.#service, client: this.#client };
  }

  async #stop(): Promise<void> {
    this.#liveness.pause();
    this.#client?.[Symbol.dispose]();
    this.#client = undefined;
    await this.#service?.[Symbol.asyncDispose]();
    this.#service = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop();
    await this.#liveness[Symbol.asyncDispose]();
  }
}

async function sendOnce(client: Client, request: Parameters<Client['send']>[0]): Promise<HttpAnswer[]> {
  return [await client.send(request)];
}

function unexpected(answers: readonly HttpAnswer[], { answers: expected }: ComplexityCase, size: number): string[] {
  const strange = answers.find(({ status }) => !expected.includes(status));
  if (strange === undefined) return [];
  return [`${strange.status} at ${size}×, expected ${expected.join(' or ')}: ${strange.body.toString('utf8', 0, 300)}`];
}

function tooSteep(costs: readonly Cost[]): string[] {
  const faults: string[] = [];
  for (const [quantity, unit] of [
    ['processorTime', 'ms'],
    ['memory', 'MB'],
  ] as const) {
    const values = costs.map((cost) => cost[quantity]);
    const exponent = exponentOf({ costs: values, floor: FLOORS[quantity] });
    if (exponent <= LARGEST_EXPONENT) continue;
    const figures = values.map((value) => value.toFixed(0)).join(', ');
    faults.push(`${quantity} grows with the power ${exponent.toFixed(2)} of the size: ${figures} ${unit}`);
  }
  return faults;
}

function explain(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
