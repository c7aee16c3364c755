/** Services of tests. Node.js itself loads this module, once for all test files of a process. */
import type { AddressInfo } from 'node:net';
import { buildApp } from '../src/app.ts';
import type { Config } from '../src/config.ts';
import { loadConfig } from '../src/environment.ts';

/** A service on a free port. */
export interface Listening {
  url: string;
  close: () => Promise<void>;
}

/** Default configuration with one worker, and the changes of a test. */
export function testConfig(config: Partial<Config> = {}): Config {
  return { ...loadConfig({ LOSSMETER_STORE: ':memory:' }), port: 0, workers: 1, ...config };
}

/** Starts a service. */
export async function listen(config: Config): Promise<Listening> {
  const app = await buildApp({ config, logger: { level: 'error' } });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, close: () => app.close() };
}

let shared: Promise<Listening> | undefined;

/** Starts a service at the first call, which ends with its process. @returns its URL */
export async function sharedUrl(): Promise<string> {
  shared ??= listen(testConfig());
  return (await shared).url;
}
