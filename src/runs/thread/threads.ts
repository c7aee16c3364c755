import type { Worker } from 'node:worker_threads';
import { LossmeterError } from '../../errors.ts';
import { isSameFile } from '../sqlite/identity.ts';
import { LogLostError } from '../sqlite/integrity.ts';
import { SharedFacts } from '../sqlite/shared-facts.ts';
import { Hold, closeIndex } from './hold.ts';
import { StoreThread } from './store-thread.ts';
import type { ArgumentsOf, Method, ReplyOf } from './worker.ts';

/**
 * Threads of a store: one writes and one reads. A store in memory has one thread for both. They create a new log when
 * the log was removed. After a file was overwritten they change no file.
 */
export class StoreThreads {
  readonly #path: string;
  readonly #writer: StoreThread;
  readonly #reader: StoreThread;
  readonly #facts = new SharedFacts();
  #mending: Promise<boolean> | undefined;
  /** Connection that stays open until the process ends, when a file was overwritten. */
  #hold: Hold | undefined;
  #taking: Promise<Hold> | undefined;
  /** Number of lost logs that were copied into the file. */
  #rescues = 0;

  /** @param path of the file, or `:memory:` */
  constructor(path: string) {
    this.#path = path;
    const facts = this.#facts.buffer;
    this.#writer = new StoreThread({ path, access: 'write', facts });
    this.#reader = path === ':memory:' ? this.#writer : new StoreThread({ path, access: 'read', facts });
  }

  /** Opens the database. @throws Error that names the file */
  async open(): Promise<void> {
    // One after the other: the first thread brings the schema up to date.
    await this.#writer.open();
    await this.#reader.open();
    await this.#takeHold();
  }

  get workers(): readonly Worker[] {
    return this.#all.flatMap((thread) => thread.threads);
  }

  async read<M extends Method>(method: M, ...args: ArgumentsOf<M>): Promise<ReplyOf<M>> {
    const rescues = this.#rescues;
    try {
      return await this.#call(this.#reader, method, ...args);
    } catch (error) {
      if (!isUnavailable(error) || this.#reader === this.#writer) throw error;
      // A check repairs a lost log. Other faults of writing do not affect this read.
      await this.write('check').catch(() => undefined);
      if (this.#rescues === rescues) throw error;
    }
    return this.#call(this.#reader, method, ...args);
  }

  /**
   * Calls the writing thread. When the log was lost before the change, creates a new log and repeats the call. When the
   * log was lost after the commit, returns the result of the first call: the rescued log contains the change.
   */
  async write<M extends Method>(method: M, ...args: ArgumentsOf<M>): Promise<ReplyOf<M>> {
    const rescues = this.#rescues;
    let result: ReplyOf<M>;
    try {
      result = await this.#call(this.#writer, method, ...args);
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      if (this.#rescues === rescues && !(await this.#mend())) throw error;
      return this.#call(this.#writer, method, ...args);
    }
    if (this.#facts.isLogLost) await this.#requireRescue(rescues);
    else if (this.#hold === undefined && this.#mending === undefined) await this.#takeHold().catch(() => undefined);
    return result;
  }

  /** Waits for pending calls, then closes the database and ends the threads. */
  async close(): Promise<void> {
    const mayCheckpoint = await this.#mayCheckpoint();
    if (mayCheckpoint) this.#hold?.close();
    await Promise.all(this.#all.map((thread) => thread.close()));
    if (!mayCheckpoint) return;
    closeIndex(this.#facts);
    this.#hold = undefined;
  }

  get #all(): StoreThread[] {
    return [...new Set([this.#writer, this.#reader])];
  }

  /** Calls a thread, after a lost log is repaired. */
  async #call<M extends Method>(thread: StoreThread, method: M, ...args: ArgumentsOf<M>): Promise<ReplyOf<M>> {
    while (this.#mending !== undefined) await this.#mending.catch(() => undefined);
    return thread.call(method, ...args);
  }

  /**
   * Resolves to true when SQLite may copy the log into its file. SQLite still has a renamed file open, and the log
   * belongs to it. For a file that kept its name the writing thread must answer first; without its answer the result is
   * false.
   */
  async #mayCheckpoint(): Promise<boolean> {
    if (this.#hold === undefined) return true;
    const isIntact = await isFulfilled(this.write('verify'));
    if (isIntact) return true;
    if (this.#facts.damage !== undefined) return false;
    return !isSameFile(this.#path, this.#facts) || isFulfilled(this.#writer.call('state'));
  }

  async #takeHold(): Promise<void> {
    if (this.#path === ':memory:') return;
    this.#taking ??= Hold.take(this.#path, this.#facts).finally(() => {
      this.#taking = undefined;
    });
    this.#hold = await this.#taking;
  }

  /**
   * Ensures that a commit to a lost log is in the file.
   * @throws LossmeterError store_unavailable otherwise
   */
  async #requireRescue(rescues: number): Promise<void> {
    const isMended = await this.#mend().catch((error: unknown) => {
      if (this.#rescues === rescues) throw error;
      return true;
    });
    if (!isMended && this.#rescues === rescues) throw new LogLostError();
  }

  /** Resolves to true when a call that failed may succeed now. */
  async #mend(): Promise<boolean> {
    this.#mending ??= this.#mendOnce().finally(() => {
      this.#mending = undefined;
    });
    return this.#mending;
  }

  /** @throws LossmeterError store_unavailable */
  async #mendOnce(): Promise<boolean> {
    if (!this.#facts.isLogLost || this.#facts.damage !== undefined) return false;
    await this.#writer.call('rescue');
    await this.#taking?.catch(() => undefined);
    // Closes all connections before opening one again: the connections of a process share the index of the log.
    this.#hold?.close();
    await Promise.all(this.#all.map((thread) => thread.closeDatabase().catch(() => undefined)));
    closeIndex(this.#facts);
    this.#hold = undefined;
    this.#facts.isLogLost = false;
    this.#rescues++;
    await this.#writer.reopen();
    await this.#reader.reopen();
    // The next change retries.
    await this.#takeHold().catch(() => undefined);
    return true;
  }
}

async function isFulfilled(promise: Promise<unknown>): Promise<boolean> {
  return promise.then(
    () => true,
    () => false,
  );
}

function isUnavailable(error: unknown): boolean {
  return error instanceof LossmeterError && error.code === 'store_unavailable';
}
