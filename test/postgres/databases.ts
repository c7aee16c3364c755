import { inject, onTestFinished } from 'vitest';
import { PostgresStore } from '../../src/runs/postgres/store.ts';
import type { PostgresStoreOptions } from '../../src/runs/postgres/store.ts';
import { execute } from './server.ts';

let databases = 0;

/** Makes an empty database on the server of the suite. @returns its URL */
export async function makeDatabase(): Promise<string> {
  const server = inject('postgres')!;
  const name = `test_${process.pid}_${databases++}`;
  await execute(`${server}postgres`, `CREATE DATABASE ${name}`);
  return `${server}${name}`;
}

/** Opens the store of a replica. The end of the test closes it. */
export async function openReplica(url: string, options: Partial<PostgresStoreOptions> = {}): Promise<PostgresStore> {
  const store = new PostgresStore({ url, connections: 3, ...options });
  onTestFinished(() => store.close());
  await store.open();
  await store.start();
  return store;
}
