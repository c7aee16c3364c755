/** A service that the test files of a process share. Node.js itself loads this module, once. */
import type { AddressInfo } from 'node:net';
import { buildApp } from '../src/app.ts';
import type { Config } from '../src/config.ts';

let url: Promise<string> | undefined;

/** Starts the service at the first call. It ends with its process. @returns its URL */
export function sharedUrl(config: Config): Promise<string> {
  return (url ??= start(config));
}

async function start(config: Config): Promise<string> {
  const app = await buildApp({ config, logger: { level: 'error' } });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  return `http://127.0.0.1:${port}`;
}
