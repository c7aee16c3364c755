import { Piscina } from 'piscina';
import { LossmeterError } from './errors.ts';
import type { ErrorCode, ErrorPlace } from './errors.ts';
import { replaceLostThreads } from './lost-threads.ts';
import { TaskQueue } from './task-queue.ts';

/** Milliseconds after which an idle thread ends: its heap may have grown. */
const IDLE_MS = 30_000;

/** Result of a task, or the parts of a LossmeterError: class instances cannot be sent between threads. */
export type ThreadReply<R> =
  | { value: R }
  | {
      refusal: {
        code: ErrorCode;
        detail: string;
        places: readonly ErrorPlace[];
        extensions: Readonly<Record<string, unknown>>;
      };
    };

export interface ThreadsOptions {
  /** The module that does the work: its default export takes a task. */
  filename: URL;
  maxThreads: number;
  /** Limit of the JavaScript heap of a thread. Exceeding it ends the thread, not the service. */
  maxHeapMegabytes: number;
  /** Subject of the work, for errors. */
  what: string;
}

/**
 * Threads for long work whose size a client controls. Waiting tasks survive the loss of a thread: another thread
 * replaces it.
 */
export class Threads<Task, R> {
  readonly #options: ThreadsOptions;
  /** Waiting tasks. After the loss of a thread, Piscina would start none of the tasks in its own queue. */
  readonly #queue: TaskQueue;
  #piscina: Piscina<Task, ThreadReply<R>> | undefined;

  constructor(options: ThreadsOptions) {
    this.#options = options;
    this.#queue = new TaskQueue(options.maxThreads);
  }

  /**
   * @param transfer buffers of the task that move to the thread
   * @param isAbandoned called when a thread is free; an abandoned task is not started
   * @throws LossmeterError of the work; body_too_large when its values do not fit into the heap of the thread; client_closed
   *   when the task is abandoned; worker_lost when the thread ended; internal for other errors of the thread
   */
  async run(task: Task, transfer: ArrayBuffer[], isAbandoned?: () => boolean): Promise<R> {
    const { what, maxHeapMegabytes } = this.#options;
    this.#piscina ??= this.#start();
    const piscina = this.#piscina;
    let reply: ThreadReply<R>;
    try {
      reply = await this.#queue.run(() => piscina.run(task, { transferList: transfer }), isAbandoned);
    } catch (cause) {
      if (cause instanceof LossmeterError) throw cause;
      if (isOutOfMemory(cause)) {
        const detail = `the values of ${what} take more than the ${maxHeapMegabytes} MB of a thread; send tensors as {dtype, shape, data} with data as bytes, or in base64`;
        throw new LossmeterError('body_too_large', detail, [], { cause });
      }
      if (isLost(cause)) throw new LossmeterError('worker_lost', `the thread that read ${what} ended`, [], { cause });
      throw new LossmeterError('internal', `the thread that read ${what} failed`, [], { cause });
    }
    if ('value' in reply) return reply.value;
    const { code, detail, places, extensions } = reply.refusal;
    throw new LossmeterError(code, detail, places, { extensions });
  }

  async close(): Promise<void> {
    await this.#piscina?.close();
  }

  #start(): Piscina<Task, ThreadReply<R>> {
    const { filename, maxThreads, maxHeapMegabytes } = this.#options;
    const piscina = new Piscina<Task, ThreadReply<R>>({
      filename: filename.href,
      minThreads: 0,
      maxThreads,
      idleTimeout: IDLE_MS,
      recordTiming: false,
      // With the small young generation of the main thread, a thread would collect garbage constantly.
      resourceLimits: { maxOldGenerationSizeMb: maxHeapMegabytes, maxYoungGenerationSizeMb: 32 },
    });
    // Without a listener, the failure of an idle thread would end the process.
    piscina.on('error', () => undefined);
    // The new thread fails the undefined task, and then runs the waiting tasks.
    replaceLostThreads(piscina, () => piscina.run(undefined as Task));
    return piscina;
  }
}

/** Runs the work of a task on its thread. @throws errors other than LossmeterError */
export function replyTo<R>(work: () => R): ThreadReply<R> {
  try {
    return { value: work() };
  } catch (error) {
    if (!(error instanceof LossmeterError)) throw error;
    const { code, message, places, extensions } = error;
    return { refusal: { code, detail: message, places, extensions } };
  }
}

/** True for Piscina's error about a thread that ended. */
function isLost(cause: unknown): boolean {
  return (cause as Error).message.startsWith('worker exited with code');
}

/** True when the heap of the thread is full, or when a buffer could not be allocated. */
function isOutOfMemory(cause: unknown): boolean {
  const { code, message } = cause as NodeJS.ErrnoException;
  return (
    code === 'ERR_WORKER_OUT_OF_MEMORY' || /allocation failed|Invalid (?:string|array|typed array) length/.test(message)
  );
}
