import { DatabaseSync } from 'node:sqlite';
import type { Worker } from 'node:worker_threads';
import { LossmeterError } from '../../errors.ts';
import { isSameFile } from '../sqlite/identity.ts';
import { SharedFacts } from '../sqlite/shared-facts.ts';
import { StoreThread } from './store-thread.ts';
import type { ArgumentsOf, Method, ReplyOf } from './worker.ts';

/**
 * The threads of a store, one that writes and one that reads; of a store in memory, one that does both. They make a new log
 * where somebody removed it, and leave all files as they are where somebody overwrote one.
 */
export class StoreThreads {
  readonly #path: string;
  readonly #writer: StoreThread;
  readonly #reader: StoreThread;
  #mending: Promise<boolean> | undefined;
  /**
   * A connection that does nothing. SQLite copies the log into the file when the last connection is closed, which would
   * spoil a file that was overwritten, or spoil it with a log that was. This one stays open then, to the end of the process.
   */
  #held: DatabaseSync | undefined;
  readonly #facts = new SharedFacts();
  /** How often a lost log was made anew. */
  #mended = 0;

  /** @param path of the file, or `:memory:` */
  constructor(path: string) {
    this.#path = path;
    const facts = this.#facts.buffer;
    this.#writer = new StoreThread({ path, access: 'write', facts });
    this.#reader = path === ':memory:' ? this.#writer : new StoreThread({ path, access: 'read', facts });
  }

  /** Opens the database. @throws Error that names the file */
  async open(): Promise<void> {
    // One after the other: the first brings the schema up to date.
    await this.#writer.open();
    await this.#reader.open();
    if (this.#path !== ':memory:') this.#held = hold(this.#path);
  }

  get workers(): readonly Worker[] {
    return this.#all.flatMap((thread) => thread.threads);
  }

  async read<M extends Method>(method: M, ...args: ArgumentsOf<M>): Promise<ReplyOf<M>> {
    await this.#mending;
    try {
      return await this.#reader.call(method, ...args);
    } catch (error) {
      if (!isUnavailable(error) || this.#reader === this.#writer) throw error;
      const mended = this.#mended;
      // This makes a lost log anew, or says better what is wrong.
      await this.write('check');
      if (this.#mended === mended) throw error;
    }
    return this.#reader.call(method, ...args);
  }

  /** Calls the thread that writes; again, when the log was lost and has been made anew. */
  async write<M extends Method>(method: M, ...args: ArgumentsOf<M>): Promise<ReplyOf<M>> {
    await this.#mending;
    try {
      return await this.#writer.call(method, ...args);
    } catch (error) {
      if (!isUnavailable(error) || !(await this.#mend())) throw error;
      return this.#writer.call(method, ...args);
    }
  }

  /** Waits for pending calls, then closes the database and ends the threads. */
  async close(): Promise<void> {
    await this.#mending;
    if (await this.#mayCheckpoint()) this.#held?.close();
    await Promise.all(this.#all.map((thread) => thread.close()));
  }

  get #all(): StoreThread[] {
    return [...new Set([this.#writer, this.#reader])];
  }

  /**
   * Resolves to true when SQLite may copy the log into its file. A file that lost its name is the one that SQLite still has
   * open: the log belongs there. When the thread that writes cannot be asked about a file with the same name, it may not.
   */
  async #mayCheckpoint(): Promise<boolean> {
    if (this.#held === undefined) return true;
    const isIntact = await this.write('verify').then(
      () => true,
      () => false,
    );
    if (isIntact) return true;
    if (this.#facts.damage !== undefined) return false;
    const isReachable = this.#writer.call('state').then(
      () => true,
      () => false,
    );
    return !isSameFile(this.#path, this.#facts) || (await isReachable);
  }

  /** Resolves to true when a call that failed may succeed now. */
  async #mend(): Promise<boolean> {
    this.#mending ??= this.#mendOnce().finally(() => {
      this.#mending = undefined;
    });
    return this.#mending;
  }

  async #mendOnce(): Promise<boolean> {
    const state = await this.#writer.call('state').catch(() => undefined);
    if (state !== 'log_lost') return false;
    await this.#writer.call('rescue');
    // All, before one is opened again: connections of a process share the index of the log.
    this.#held?.close();
    this.#held = undefined;
    await Promise.all(this.#all.map((thread) => thread.closeDatabase()));
    await this.open();
    this.#mended++;
    return true;
  }
}

/** Opens a database that threads have opened, and takes the shared lock on it. */
function hold(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { readOnly: true });
  database.prepare('PRAGMA schema_version').get();
  return database;
}

function isUnavailable(error: unknown): boolean {
  return error instanceof LossmeterError && error.code === 'store_unavailable';
}
