import type { Timings } from '../pipeline/answered.ts';

/** Number of calls, and their total duration. */
interface Duration {
  count: number;
  /** Duration in nanoseconds. */
  ns: number;
}

/** Statistics of the calls of a model since the start of the process. */
export interface StatisticsSnapshot {
  /** Milliseconds since 1970 of the last call; 0 before the first. */
  lastInference: number;
  /** Durations of calls, from their first byte to their answer. */
  success: Duration;
  fail: Duration;
  /** Durations of successful calls: reading the body, the kernels (summed over workers), the reduction. */
  input: Duration;
  infer: Duration;
  output: Duration;
}

const NS_PER_MS = 1e6;

/** Counts and times the calls of a model. */
export class InferenceStatistics {
  #lastInference = 0;
  readonly #success = new Stopwatch();
  readonly #fail = new Stopwatch();
  readonly #input = new Stopwatch();
  readonly #infer = new Stopwatch();
  readonly #output = new Stopwatch();

  /** @param ms from the first byte of the call to its answer */
  succeeded(ms: number, { ingest, compute, reduce }: Timings): void {
    this.#lastInference = Date.now();
    this.#success.add(ms);
    this.#input.add(ingest);
    this.#infer.add(compute);
    this.#output.add(reduce);
  }

  failed(ms: number): void {
    this.#lastInference = Date.now();
    this.#fail.add(ms);
  }

  snapshot(): StatisticsSnapshot {
    return {
      lastInference: this.#lastInference,
      success: this.#success.read(),
      fail: this.#fail.read(),
      input: this.#input.read(),
      infer: this.#infer.read(),
      output: this.#output.read(),
    };
  }
}

class Stopwatch {
  #count = 0;
  #ms = 0;

  add(ms: number): void {
    this.#count++;
    this.#ms += ms;
  }

  read(): Duration {
    return { count: this.#count, ns: Math.round(this.#ms * NS_PER_MS) };
  }
}
