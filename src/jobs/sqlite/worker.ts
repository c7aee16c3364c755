import { workerData } from 'node:worker_threads';
import { packFailure } from '../../runs/sqlite/failure.ts';
import type { Failure } from '../../runs/sqlite/failure.ts';
import { SqlJobStore } from '../sql/store.ts';
import type { JobStore } from '../store.ts';
import { SqliteJobDatabase } from './database.ts';

export interface JobCall {
  /** Name of a method of the store; `open` only opens the file. */
  method: keyof JobStore | 'open';
  args: unknown[];
}

export type JobReply = { value: unknown } | { failure: Failure };

const { path } = workerData as { path: string };
let store: SqlJobStore | undefined;

/** Answers a call. The thread handles one call at a time, so no other call uses the connection during a transaction. */
export default async function call({ method, args }: JobCall): Promise<JobReply> {
  try {
    store ??= new SqlJobStore(new SqliteJobDatabase(path));
    if (method === 'open') return { value: undefined };
    const methods = store as unknown as Record<string, (...values: unknown[]) => Promise<unknown>>;
    const value = await methods[method]!(...args);
    if (method === 'close') store = undefined;
    return { value };
  } catch (error) {
    return { failure: packFailure(error) };
  }
}
