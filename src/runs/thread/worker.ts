import { workerData } from 'node:worker_threads';
import { move, transferableSymbol, valueSymbol } from 'piscina';
import { LossmeterError } from '../../errors.ts';
import { RunPages } from '../pages.ts';
import { OpenError } from '../sqlite/open-error.ts';
import { requireIndex } from '../sqlite/integrity.ts';
import { packFailure } from '../sqlite/failure.ts';
import type { Failure } from '../sqlite/failure.ts';
import { SharedFacts } from '../sqlite/shared-facts.ts';
import { SqliteStore } from '../sqlite/store.ts';

/** The store, and its pages as text. */
type Methods = Omit<SqliteStore, 'close' | 'stopPurge' | 'facts'> & RunPages;

/** Name of a method that the thread answers. */
export type Method = keyof { [K in keyof Methods as Methods[K] extends Asynchronous ? K : never]: true };

type Asynchronous = (...args: never[]) => Promise<unknown>;

export type ArgumentsOf<M extends Method> = Methods[M] extends (...args: infer A) => Promise<unknown> ? A : never;
export type ReplyOf<M extends Method> = Methods[M] extends (...args: never[]) => Promise<infer R> ? R : never;

export interface StoreCall {
  /**
   * Name of a method of the store, or of a call about the database itself: `open` brings its schema up to date, `reopen`
   * opens it again after `close`. `begin` only starts a thread.
   */
  method: Method | 'begin' | 'open' | 'reopen' | 'close';
  args: unknown[];
}

export type StoreReply = { value: unknown } | { failure: Failure };

/** Database that the thread opens. */
export interface StoreWorkerData {
  /** Path of the file, or `:memory:`. */
  path: string;
  access: 'write' | 'read';
  /** Memory of the SharedFacts. */
  facts: SharedArrayBuffer;
}

const { path, access, facts } = workerData as StoreWorkerData;
const opening = { path, access, facts: new SharedFacts(facts) };
let store: SqliteStore | undefined;
let pages: RunPages | undefined;

/** Calls under way. */
const underWay = new Set<Promise<unknown>>();

/** Answers a call with a StoreReply. A restarted thread opens the database at the first call. */
export default async function call(given: StoreCall): Promise<unknown> {
  try {
    if (given.method === 'close') return { value: await close() };
    const answer = run(given);
    underWay.add(answer);
    try {
      return moved({ value: await answer });
    } finally {
      underWay.delete(answer);
    }
  } catch (error) {
    return { failure: packFailure(error) };
  }
}

async function run({ method, args }: StoreCall): Promise<unknown> {
  if (method === 'begin') return undefined;
  if (method === 'open') {
    store ??= SqliteStore.open(opening);
    return undefined;
  }
  store ??= openAgain();
  if (method === 'reopen') return undefined;
  pages ??= new RunPages(store);
  if (access === 'read') requireIndex(path);
  const owner: object = method in pages ? pages : store;
  return (owner as Record<string, (...values: unknown[]) => Promise<unknown>>)[method]!.apply(owner, args);
}

/** Closes the database after the calls in progress: a long call has more pages to read. */
async function close(): Promise<void> {
  store?.stopPurge();
  while (underWay.size > 0) await Promise.allSettled(underWay);
  await store?.close();
  store = pages = undefined;
}

/** Transfers the text of a page instead of copying it. */
function moved(reply: { value: unknown }): unknown {
  const text = (reply.value as { text?: unknown } | undefined)?.text;
  if (!(text instanceof Uint8Array)) return reply;
  return move({ [transferableSymbol]: [text.buffer], [valueSymbol]: reply });
}

/** @throws LossmeterError store_unavailable */
function openAgain(): SqliteStore {
  try {
    return SqliteStore.open(opening);
  } catch (error) {
    if (!(error instanceof OpenError)) throw error;
    throw new LossmeterError('store_unavailable', `the history cannot be opened: ${error.reason}`, [], {
      cause: error,
    });
  }
}
