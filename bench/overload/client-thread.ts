import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { ClosedLoop, OpenLoop, Traffic } from './traffic.ts';

const CLIENTS = new URL('./clients.ts', import.meta.url);

/** Clients on their own thread, which ends with the scope of this object. */
export class ClientThread implements AsyncDisposable {
  readonly #worker = new Worker(CLIENTS);

  async run(loop: ClosedLoop | OpenLoop): Promise<Traffic> {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is of windows
    this.#worker.postMessage(loop);
    const [traffic] = (await once(this.#worker, 'message')) as [Traffic];
    return traffic;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
  }
}
