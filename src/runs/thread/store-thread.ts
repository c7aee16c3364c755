import { extname } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { LossmeterError } from '../../errors.ts';
import { replaceLostThreads } from '../../lost-threads.ts';
import { tracing } from '../../tracing.ts';
import { unpackFailure } from '../sqlite/failure.ts';
import type { ArgumentsOf, Method, ReplyOf, StoreCall, StoreReply, StoreWorkerData } from './worker.ts';

/**
 * Memory limit of the thread for JavaScript values, in megabytes. A call that needs more ends the thread, not the
 * service.
 */
const MAX_HEAP_MB = 256;

/** Most concurrent calls of the thread: a long call lets other calls run between its pages. */
const MOST_CALLS = 1024;

/** A thread with a connection of its own to the database. A lost thread is replaced. */
export class StoreThread {
  readonly #piscina: Piscina<StoreCall, StoreReply>;

  constructor(workerData: StoreWorkerData) {
    this.#piscina = new Piscina({
      filename: new URL(`./worker${extname(import.meta.url)}`, import.meta.url).href,
      minThreads: 1,
      maxThreads: 1,
      concurrentTasksPerWorker: MOST_CALLS,
      workerData,
      recordTiming: false,
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB, maxYoungGenerationSizeMb: 16 },
    });
    // An idle thread that fails reports it here; without a listener the event ends the process.
    this.#piscina.on('error', () => undefined);
    replaceLostThreads(this.#piscina, () => this.#run({ method: 'begin', args: [] }));
  }

  /** The current thread; empty while it is being replaced. */
  get threads(): readonly Worker[] {
    return this.#piscina.threads;
  }

  /**
   * Runs a method of the store in the thread.
   * @throws LossmeterError store_unavailable when the thread is lost meanwhile; errors of the method
   */
  async call<M extends Method>(method: M, ...args: ArgumentsOf<M>): Promise<ReplyOf<M>> {
    const run = (): Promise<unknown> => this.#run({ method, args });
    const { tracer } = tracing;
    const reply = tracer === undefined ? run() : tracer.call({ system: 'sqlite', operation: method }, run);
    return (await reply) as ReplyOf<M>;
  }

  /** Opens the database. @throws Error that names the file */
  async open(): Promise<void> {
    await this.#run({ method: 'open', args: [] });
  }

  /** Reopens a closed database. @throws LossmeterError store_unavailable */
  async reopen(): Promise<void> {
    await this.#run({ method: 'reopen', args: [] });
  }

  /** Waits for pending calls and closes the database; the next call opens it again. */
  async closeDatabase(): Promise<void> {
    await this.#run({ method: 'close', args: [] });
  }

  /** Waits for pending calls, then closes the database and ends the thread. */
  async close(): Promise<void> {
    await this.closeDatabase().catch(() => undefined);
    await this.#piscina.close();
  }

  async #run(call: StoreCall): Promise<unknown> {
    const reply = await this.#piscina.run(call).catch((cause: unknown) => {
      const detail = 'the thread that works with the history ended; repeat the request';
      throw new LossmeterError('store_unavailable', detail, [], { cause });
    });
    if ('failure' in reply) throw unpackFailure(reply.failure);
    return reply.value;
  }
}
