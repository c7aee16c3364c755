import { extname } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { Kernel } from '../../kernels/loader.ts';
import type { Variant } from '../../kernels/loader.ts';
import { LossmeterError } from '../errors.ts';
import { TaskQueue } from '../task-queue.ts';
import type { FloatDType } from '../tensor/dtype.ts';
import { buffersOf, evaluateBlock, plainBlock } from './block.ts';
import type { Block, BlockResult } from './block.ts';
import { MemoryBudget } from './memory-budget.ts';
import { Slabs } from './slabs.ts';
import type { FileReply, FileTask, SlabReply, SlabTask, WorkerData } from './worker.ts';

/** Milliseconds between the loss of a worker and the check that another one has taken its place. */
const REPLACE_AFTER_MS = 100;

export interface PoolOptions {
  /** Worker threads. */
  workers: number;
  kernel: Variant | 'auto';
  /** Size of a slab in bytes; it holds whole rows. */
  slabBytes: number;
  /** Largest row in bytes: it travels in one piece. */
  maxRowBytes: number;
  /** Bound on the bytes of all slabs in use, and of the memory that kernels take beside them. */
  maxSlabBytes: number;
  /** A batch of at most this many logits is evaluated on the main thread, where it is faster than the hop. */
  inlineLogits: number;
}

/** Share of `maxSlabBytes` for the memory of kernels, apart from slabs: who fills a slab slowly holds none of it. */
const KERNEL_SHARE = 1 / 4;

/**
 * The kernels of the service: a worker thread each, and one on the main thread for small batches. All are of the same
 * variant, so an answer's bits do not depend on where it was computed.
 */
export class KernelPool {
  readonly slabs: Slabs;
  /** Memory that kernels take for long rows. It is reserved once a slab is full, so a holder always comes to its end. */
  readonly kernelMemory: MemoryBudget;
  readonly workers: number;
  readonly inlineLogits: number;
  readonly maxRowBytes: number;
  readonly #inline: Kernel;
  readonly #queue: TaskQueue;
  readonly #piscina: Piscina<SlabTask | FileTask | undefined, SlabReply | FileReply>;
  #lost = 0;
  #closing = false;

  /** @throws Error when the kernel variant asked for cannot run here. */
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
    // A worker ends on its own, and is replaced, only when something went wrong with it.
    this.#piscina.on('workerDestroy', () => {
      if (this.#closing) return;
      this.#lost++;
      setTimeout(() => this.#replaceLost(), REPLACE_AFTER_MS).unref();
    });
    // An idle worker failed. It is counted above; an error event without a listener would end the process.
    this.#piscina.on('error', () => undefined);
  }

  /**
   * Piscina gives up on replacing workers once one of them ends before it has begun. It starts one still for a task that
   * no worker is free for, and of so many tasks at once there is one for each that is missing.
   */
  #replaceLost(): void {
    if (this.#closing || this.#piscina.threads.length >= this.workers) return;
    for (let k = 0; k < this.workers; k++) {
      // Should it be lost too, there is a next time.
      void this.#piscina.run(undefined, { name: 'beThere' }).catch(() => undefined);
    }
  }

  /** The worker threads, as they are at the moment. */
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

  /** Name of the kernel that evaluates a dtype, as answers report it. */
  kernelName(dtype: FloatDType): string {
    return this.#inline.name(dtype);
  }

  /** Evaluates a block on the main thread. */
  runInline(block: Block, logits: Uint8Array): BlockResult {
    return evaluateBlock(this.#inline, block, logits);
  }

  /**
   * Evaluates a block on a worker.
   * @param task with a slab from `slabs`, which is released when the worker answers, and class probabilities in memory of
   *   their own: both move to the worker
   * @param isAbandoned asked when a worker is free: a task that nobody waits for is not begun
   * @throws LossmeterError worker_lost, client_closed
   */
  async run(task: SlabTask, isAbandoned?: () => boolean): Promise<BlockResult> {
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
    this.slabs.release(reply.slab);
    if (reply.result === undefined) throw reply.error;
    return reply.result;
  }

  /**
   * Evaluates a block on a worker, which reads it from a file. The file is in use until this has settled.
   * @param task with the rows that the worker reads at a time: a message for each would take as long as its kernels
   * @param isAbandoned as `run` takes it
   * @returns the results of those rows, in row order
   * @throws LossmeterError worker_lost, client_closed, and what reading the file throws
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
    if (reply.refusal !== undefined) throw new LossmeterError(reply.refusal.code, reply.refusal.detail);
    if (reply.results === undefined) throw reply.error;
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
    await this.#piscina.close();
  }
}

/** Error of a task that did not return. */
function workerLost(cause: unknown): unknown {
  if (cause instanceof DOMException) return cause; // A task that cannot be posted fails on every try.
  return new LossmeterError('worker_lost', 'a worker ended while it evaluated a block of rows', [], { cause });
}
