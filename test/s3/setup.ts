import type { TestProject } from 'vitest/node';
import { S3Server } from './server.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** URL of the S3 server. */
    s3: string;
  }
}

/** Starts the server that all tests of the suite share. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await S3Server.start();
  project.provide('s3', server.url);
  return () => server.stop();
}
