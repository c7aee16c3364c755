import { extname } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { Kernel } from '../../kernels/kernel.ts';
import type { Variant } from '../../kernels/instance.ts';
import { LossmeterError } from '../errors.ts';
import { TaskQueue } from '../task-queue.ts';
import type { FloatDType } from '../tensor/dtype.ts';
import { buffersOf, plainBlock } from './block.ts';
import { evaluateBlock } from './evaluate-block.ts';
import type { Block, BlockResult } from './block.ts';
import { MemoryBudget } from './memory-budget.ts';
import { Slabs } from './slabs.ts';
import type { Failure, FileReply, FileTask, SlabReply, SlabTask, WorkerData } from './worker.ts';

/** Milliseconds between the loss of a worker and the check that a new worker has replaced it. */
const REPLACE_AFTER_MS = 100;

export interface PoolOptions {
  /** Worker threads. */
  workers: number;
  kernel: Variant | 'auto';
  /** Size of a slab in bytes; it holds whole rows. */
  slabBytes: number;
  /** Size of the largest row in bytes: a row travels in one piece. */
  maxRowBytes: number;
  /** Limit for the bytes of all slabs in use, and for the kernel memory besides them. */
  maxSlabBytes: number;
  /**
   * Largest number of logits of a batch that is evaluated on the main thread, which takes less time than a message to a
   * worker.
   */
  inlineLogits: number;
}

/**
 * Share of `maxSlabBytes` for kernel memory. It is separate from slabs, so that a client that fills a slab slowly holds no
 * kernel memory.
 */
const KERNEL_SHARE = 1 / 4;

/**
 * Kernels of the service: one per worker thread, and one on the main thread for small batches. All are of the same variant,
 * so the bits of an answer do not depend on the thread.
 */
export class KernelPool {
  readonly slabs: Slabs;
  /** Kernel memory for long rows. It is reserved once a slab is full, so every holder finishes and releases it. */
  readonly kernelMemory: MemoryBudget;
  readonly workers: number;
  readonly inlineLogits: number;
  readonly maxRowBytes: number;
  readonly #inline: Kernel;
  readonly #queue: TaskQueue;
  readonly #piscina: Piscina<SlabTask | FileTask | undefined, SlabReply | FileReply>;
  /** Resolves when the first workers have loaded their modules. */
  readonly #loading: Promise<unknown>;
  #lost = 0;
  #closing = false;

  /** @throws Error when this machine cannot run the requested kernel variant */
  constructor(options: PoolOptions) {
    this.workers = options.workers;
    this.inlineLogits = options.inlineLogits;
    this.maxRowBytes = options.maxRowBytes;
    this.#queue = new TaskQueue(options.workers);
    const kernelBytes = Math.floor(options.maxSlabBytes * KERNEL_SHARE);
    this.slabs = new Slabs(options.slabBytes, options.maxSlabBytes - kernelBytes);
    this.kernelMemory = new MemoryBudget(kernelBytes);
    this.#inline = Kernel.load(options.kernel);
    const data: WorkerData = { kernel: this.#inline.variant };
    this.#piscina = new Piscina({
      filename: new URL(`./worker${extname(import.meta.url)}`, import.meta.url).href,
      minThreads: options.workers,
      maxThreads: options.workers,
      workerData: data,
      recordTiming: false,
    });
    this.#loading = Promise.all(this.#piscina.threads.map(loaded));
    // A worker ends by itself, and is replaced, only after a fault.
    this.#piscina.on('workerDestroy', () => {
      if (this.#closing) return;
      this.#lost++;
      setTimeout(() => this.#replaceLost(), REPLACE_AFTER_MS).unref();
    });
    // A failure of an idle worker. It is counted above; without a listener the error event would end the process.
    this.#piscina.on('error', () => undefined);
  }

  /**
   * Starts missing workers. Piscina stops replacing workers once one of them ends before it has begun, but still starts
   * a worker for a task when none is free. With as many tasks as workers, one task remains for each missing worker.
   */
  #replaceLost(): void {
    if (this.#closing || this.#piscina.threads.length >= this.workers) return;
    for (let k = 0; k < this.workers; k++) {
      // If this worker is lost too, its loss starts the next check.
      void this.#piscina.run(undefined, { name: 'beThere' }).catch(() => undefined);
    }
  }

  /** Current worker threads. */
  get threads(): readonly Worker[] {
    return this.#piscina.threads;
  }

  /** Workers that ended unexpectedly since the start. */
  get lost(): number {
    return this.#lost;
  }

  get variant(): Variant {
    return this.#inline.variant;
  }

  /** Name of the kernel for a dtype, for answers. */
  kernelName(dtype: FloatDType): string {
    return this.#inline.name(dtype);
  }

  /** Evaluates a block on the main thread. */
  runInline(block: Block, logits: Uint8Array): BlockResult {
    return evaluateBlock(this.#inline, block, logits);
  }

  /**
   * Evaluates a block on a worker.
   * @param task with a slab from `slabs`, which is released when the worker answers, and class probabilities in their
   *   own memory: both are transferred to the worker
   * @param isAbandoned called when a worker is free: a task whose client has left does not begin
   * @param use called with the result before the slab is released, because the slab may contain the gradient
   * @throws LossmeterError worker_lost, client_closed, and errors of reading a file of compared rows
   */
  async run(
    task: SlabTask,
    isAbandoned?: () => boolean,
    use: (result: BlockResult, slab: ArrayBuffer) => Promise<void> | void = () => undefined,
  ): Promise<BlockResult> {
    const { slab } = task;
    const slabBytes = slab.byteLength;
    let reply: SlabReply;
    try {
      const begin = () =>
        this.#piscina.run(task, { transferList: [slab, ...buffersOf(task.block)] }) as Promise<SlabReply>;
      reply = await this.#queue.run(begin, isAbandoned);
    } catch (cause) {
      if (cause instanceof LossmeterError) {
        this.slabs.release(slab);
        throw cause;
      }
      this.slabs.forget(slabBytes);
      throw workerLost(cause);
    }
    try {
      if (reply.result === undefined) throw errorOf(reply);
      await use(reply.result, reply.slab);
      return reply.result;
    } finally {
      this.slabs.release(reply.slab);
    }
  }

  /**
   * Evaluates a block on a worker that reads it from a file. The file is in use until this has settled.
   * @param task with the number of rows that the worker reads at a time: a separate message for each would take as long
   *   as its kernels
   * @param isAbandoned like the parameter of `run`
   * @returns the results of those rows, in row order
   * @throws LossmeterError worker_lost, client_closed, and errors of reading the file
   */
  async runFromFile(task: FileTask, isAbandoned?: () => boolean): Promise<BlockResult[]> {
    let reply: FileReply;
    try {
      const begin = () =>
        this.#piscina.run(task, { name: 'evaluateRange', transferList: buffersOf(task.block) }) as Promise<FileReply>;
      reply = await this.#queue.run(begin, isAbandoned);
    } catch (cause) {
      if (cause instanceof LossmeterError) throw cause;
      throw workerLost(cause);
    }
    if (reply.results === undefined) throw errorOf(reply);
    return reply.results;
  }

  /** Resolves when a worker has loaded its kernel and answered. */
  async ready(): Promise<void> {
    const slab = await this.slabs.acquire(4);
    await this.run({ block: plainBlock('float32', 1, Int32Array.of(0)), slab, byteLength: 4 });
  }

  /** Ends the workers after their current tasks. */
  async close(): Promise<void> {
    this.#closing = true;
    // Node.js may abort the process when a thread is ended while it loads a module.
    for (const thread of this.threads) thread.ref();
    await this.#loading;
    await this.#piscina.close();
  }
}

/** Resolves when a thread says that it is ready, or ends. */
function loaded(thread: Worker): Promise<void> {
  return new Promise((resolve) => {
    for (const event of ['message', 'exit'] as const) thread.once(event, () => resolve());
  });
}

/** Error of a task that failed. */
function workerLost(cause: unknown): unknown {
  if (cause instanceof DOMException) return cause; // A task that cannot be posted fails at every attempt.
  return new LossmeterError('worker_lost', 'a worker ended while it evaluated a block of rows', [], { cause });
}

/** Error of a block that failed on a worker. */
function errorOf({ refusal, error }: Failure): unknown {
  return refusal === undefined ? error : new LossmeterError(refusal.code, refusal.detail);
}
