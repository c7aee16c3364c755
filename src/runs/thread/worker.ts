import { workerData } from 'node:worker_threads';
import { packFailure } from '../sqlite/failure.ts';
import type { Failure } from '../sqlite/failure.ts';
import { SqliteStore } from '../sqlite/store.ts';

/** Methods that the thread answers. */
export type Method = Exclude<
  {
    [K in keyof SqliteStore]: SqliteStore[K] extends (...args: never[]) => Promise<unknown> ? K : never;
  }[keyof SqliteStore],
  'close'
>;

export interface StoreCall {
  /** `open` opens the database, and brings its schema up to date. */
  method: Method | 'open' | 'close';
  args: unknown[];
}

export type StoreReply = { value: unknown } | { failure: Failure };

const { path } = workerData as { path: string };
let store: SqliteStore | undefined;

/** Runs a method of the store. A thread that was started again opens the database at the first call. */
export default async function call({ method, args }: StoreCall): Promise<StoreReply> {
  try {
    if (method === 'close') {
      await store?.close();
      store = undefined;
      return { value: undefined };
    }
    store ??= new SqliteStore(path);
    if (method === 'open') return { value: undefined };
    const run = store[method] as (...values: unknown[]) => Promise<unknown>;
    return { value: await run.apply(store, args) };
  } catch (error) {
    return { failure: packFailure(error) };
  }
}
