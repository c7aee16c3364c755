import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Probed, ProbeRequest } from './liveness-thread.ts';

/** Probes `/livez` from a separate thread, so that the work of a test delays no probe. */
export class Liveness implements AsyncDisposable {
  readonly #thread = new Worker(new URL('./liveness-thread.ts', import.meta.url));

  watch({ port, pid }: Probed): void {
    this.#post({ service: { port, pid } });
  }

  pause(): void {
    this.#post({ service: undefined });
  }

  /** Milliseconds of each answer since the last call; Infinity for a probe without one. */
  async take(): Promise<number[]> {
    this.#post('take');
    const [times] = (await once(this.#thread, 'message')) as [number[]];
    return times;
  }

  #post(request: ProbeRequest): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is of windows
    this.#thread.postMessage(request);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#thread.terminate();
  }
}
