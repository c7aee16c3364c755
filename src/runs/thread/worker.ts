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
type Methods = Omit<SqliteStore, 'close'> & RunPages;

/** Methods that the thread answers. */
export type Method = keyof { [K in keyof Methods as Methods[K] extends Asynchronous ? K : never]: true };

type Asynchronous = (...args: never[]) => Promise<unknown>;

export type ArgumentsOf<M extends Method> = Methods[M] extends (...args: infer A) => Promise<unknown> ? A : never;
export type ReplyOf<M extends Method> = Methods[M] extends (...args: never[]) => Promise<infer R> ? R : never;

export interface StoreCall {
  /** `open` opens the database, and brings its schema up to date. */
  method: Method | 'open' | 'close';
  args: unknown[];
}

export type StoreReply = { value: unknown } | { failure: Failure };

/** What the thread opens. */
export interface StoreWorkerData {
  /** Of the file, or `:memory:`. */
  path: string;
  access: 'write' | 'read';
  /** Memory of the SharedFacts. */
  facts: SharedArrayBuffer;
}

const { path, access, facts } = workerData as StoreWorkerData;
const opening = { path, access, facts: new SharedFacts(facts) };
let store: SqliteStore | undefined;
let pages: RunPages | undefined;

/** Runs a method of the store, to a StoreReply. A thread that was started again opens the database at the first call. */
export default async function call({ method, args }: StoreCall): Promise<unknown> {
  try {
    if (method === 'close') {
      await store?.close();
      store = pages = undefined;
      return { value: undefined };
    }
    if (method === 'open') {
      store ??= SqliteStore.open(opening);
      return { value: undefined };
    }
    store ??= openAgain();
    pages ??= new RunPages(store);
    if (access === 'read') requireIndex(path);
    const owner: object = method in pages ? pages : store;
    const run = (owner as Record<string, (...values: unknown[]) => Promise<unknown>>)[method]!;
    return moved({ value: await run.apply(owner, args) });
  } catch (error) {
    return { failure: packFailure(error) };
  }
}

/** Hands the text of a page over instead of copying it. */
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
