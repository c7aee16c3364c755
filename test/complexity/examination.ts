import { Client } from '../http-client.ts';
import type { HttpAnswer, HttpRequest } from '../http-client.ts';
import { costFaults, leastOf, percentileFaults, probeFaults } from './budget.ts';
import type { Cost } from './budget.ts';
import { FURTHER_SIZE, SIZES, httpRequest } from './cases/case.ts';
import type { ComplexityCase } from './cases/case.ts';
import { Liveness } from './liveness.ts';
import { residentMemory, resetPeak } from './resident-memory.ts';
import { WatchedService } from './watched-service.ts';
import type { WatchedOptions } from './watched-service.ts';

export interface ExaminerOptions extends WatchedOptions {
  /** Limit of bytes in flight of the service; default DEFAULT_BYTES_IN_FLIGHT. */
  bytesInFlight?: number;
}

const DEFAULT_BYTES_IN_FLIGHT = 2 ** 30;

/** Number of measurements of each size when a failed case is repeated. */
const REPEATS = 3;

/** Observations of a case. */
interface Examination {
  /** Faults other than costs. */
  readonly faults: readonly string[];
  /** Costs at the sizes that were measured. */
  readonly costs: readonly Cost[];
}

/** Measures cases on a service. Starts a new service after a case that ended it. */
export class Examiner implements AsyncDisposable {
  readonly #options: ExaminerOptions;
  readonly #bytesInFlight: number;
  readonly #liveness = new Liveness();
  /**
   * Times of probes during cases of one request. Other cases are excluded: Node.js accepts one connection in each round
   * of its event loop, so that a probe behind the connections of many requests waits for as many rounds.
   */
  readonly #probes: number[] = [];
  #running: { service: WatchedService; client: Client } | undefined;

  constructor({ bytesInFlight = DEFAULT_BYTES_IN_FLIGHT, ...options }: ExaminerOptions = {}) {
    this.#bytesInFlight = bytesInFlight;
    this.#options = options;
  }

  /** Messages about the limits that a case breaks; empty on success. A failing case is measured once more. */
  async findFaults(examined: ComplexityCase): Promise<string[]> {
    const budget = {
      bytesInFlight: this.#bytesInFlight,
      requests: examined.copies === undefined ? 'one' : 'many',
    } as const;
    const judge = ({ faults, costs }: Examination): string[] => [...faults, ...costFaults(costs, budget)];
    const first = await this.#examine(examined, 1);
    if (judge(first).length === 0) return [];
    const second = await this.#examine(examined, REPEATS);
    const both = { faults: second.faults, costs: leastOf(second.costs, first.costs) };
    const found = judge(both);
    if (found.length === 0 || both.costs.length < SIZES.length) return found;
    return judge({ ...both, costs: [...both.costs, ...(await this.#measureFurther(examined))] });
  }

  /** Costs at FURTHER_SIZE; none where an answer has another status than those to the largest size, because of a limit. */
  async #measureFurther(examined: ComplexityCase): Promise<Cost[]> {
    try {
      const largest = await this.#measure(examined, SIZES.at(-1)!);
      const costs: Cost[] = [];
      for (let k = 0; k < REPEATS; k++) {
        const { cost, answers } = await this.#measure(examined, FURTHER_SIZE);
        const [expected, ...others] = new Set([...largest.answers, ...answers].map(({ status }) => status));
        if (expected === undefined || others.length > 0) return [];
        costs.push(cost);
      }
      return [costs.reduce((least, cost) => leastOf([least], [cost])[0]!)];
    } catch {
      // The data of that size are refused, or the service ended.
      await this.#stop();
      return [];
    } finally {
      await this.#liveness.take();
    }
  }

  /** Messages about slow answers to `/livez` over all cases of one request. */
  livenessFaults(): string[] {
    return percentileFaults(this.#probes);
  }

  /** @param repeats number of measurements of each size; the smallest counts */
  async #examine(examined: ComplexityCase, repeats: number): Promise<Examination> {
    const costs: Cost[] = [];
    const faults: string[] = [];
    try {
      // The first run includes compilation.
      await this.#measure(examined, SIZES[0]);
      for (const size of SIZES) {
        const { cost, answers } = await this.#measure(examined, size);
        let least = [cost];
        for (let k = 1; k < repeats; k++) least = leastOf(least, [(await this.#measure(examined, size)).cost]);
        costs.push(...least);
        faults.push(...unexpectedAnswers(answers, examined, size));
      }
    } catch (error) {
      const ended = this.#running?.service.ended;
      faults.push(ended === undefined ? explain(error) : `the service ended: ${ended}`);
    }
    const probes = await this.#liveness.take();
    if (examined.copies === undefined) this.#probes.push(...probes);
    faults.push(...probeFaults(probes));
    if (costs.length < SIZES.length) await this.#stop();
    return { faults, costs };
  }

  async #measure(
    { operation, prepare, request, copies = () => 1, send = sendOnce }: ComplexityCase,
    size: number,
  ): Promise<{ cost: Cost; answers: readonly HttpAnswer[] }> {
    const { service, client } = (this.#running ??= await this.#start());
    await prepare?.(client, size);
    const sent = httpRequest(operation, await request(size));
    const before = await service.read();
    resetPeak(service.pid);
    const { now } = residentMemory(service.pid);
    const answers = await Promise.all(Array.from({ length: copies(size) }, () => send(client, sent)));
    const { processorTime, longestTurn } = await service.read();
    const { peak } = residentMemory(service.pid);
    const cost = { processorTime: processorTime - before.processorTime, longestTurn, memory: peak - now, peak };
    return { cost, answers };
  }

  async #start(): Promise<{ service: WatchedService; client: Client }> {
    const limit = { LOSSMETER_MAX_BYTES_IN_FLIGHT: String(this.#bytesInFlight) };
    const service = await WatchedService.start({
      ...this.#options,
      environment: { ...this.#options.environment, ...limit },
    });
    this.#liveness.watch(service);
    return { service, client: new Client(service.port) };
  }

  async #stop(): Promise<void> {
    this.#liveness.pause();
    this.#running?.client[Symbol.dispose]();
    await this.#running?.service[Symbol.asyncDispose]();
    this.#running = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop();
    await this.#liveness[Symbol.asyncDispose]();
  }
}

function sendOnce(client: Client, request: HttpRequest): Promise<HttpAnswer> {
  return client.send(request);
}

function unexpectedAnswers(
  answers: readonly HttpAnswer[],
  { answers: expected }: ComplexityCase,
  size: number,
): string[] {
  const strange = answers.find(({ status }) => !expected.includes(status));
  if (strange === undefined) return [];
  return [`${strange.status} at ${size}×, expected ${expected.join(' or ')}: ${strange.body.toString('utf8', 0, 300)}`];
}

function explain(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
