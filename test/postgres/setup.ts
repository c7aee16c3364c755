import type { TestProject } from 'vitest/node';
import { PostgresServer } from './server.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** URL of a PostgreSQL server, without a database name. */
    postgres?: string;
  }
}

/** Starts the server that all tests of the suite share. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await PostgresServer.start({ isDurable: false });
  project.provide('postgres', server.url(''));
  return () => server[Symbol.asyncDispose]();
}
