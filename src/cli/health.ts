import { once } from 'node:events';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { isIPv6 } from 'node:net';
import { loadConfig } from '../environment.ts';
import type { Config } from '../config.ts';
import { describeUsageError } from './usage.ts';

const USAGE = `usage: lossmeter health

Checks that the service on this machine is ready, and prints one line.
LOSSMETER_HOST and LOSSMETER_PORT, or LOSSMETER_SOCKET, give its address. The
exit code is 0 when the service is ready, 1 otherwise, and 2 for invalid usage.
`;

/** Milliseconds within which the service must answer. */
const TIMEOUT_MS = 3000;

const EXIT_NOT_READY = 1;
const EXIT_USAGE = 2;

/** Address to connect to: the loopback address for a service that listens on all addresses. */
const LOOPBACK = new Map([
  ['0.0.0.0', '127.0.0.1'],
  ['::', '::1'],
]);

/** `lossmeter health`, the health check of the container. @returns the exit code */
export async function health(args: string[]): Promise<number> {
  if (args.length > 0) {
    const isHelp = args.every((arg) => arg === '--help' || arg === '-h');
    if (isHelp) console.log(USAGE);
    else console.error(describeUsageError(USAGE, new Error(`lossmeter health takes no ${args[0]}`)));
    return isHelp ? 0 : EXIT_USAGE;
  }
  try {
    const config = loadConfig();
    const status = await askReadiness(config).catch((error: Error) => explainFailure(error));
    const isReady = status === 200;
    console.log(`${nameOf(config)}: ${isReady ? 'ready' : `not ready, ${status}`}`);
    return isReady ? 0 : EXIT_NOT_READY;
  } catch (error) {
    console.error((error as Error).message);
    return EXIT_NOT_READY;
  }
}

const hostOf = ({ host }: Config): string => LOOPBACK.get(host) ?? host;

/** Address of the service for the output. */
function nameOf(config: Config): string {
  if (config.socket !== undefined) return config.socket;
  const host = hostOf(config);
  return `http://${isIPv6(host) ? `[${host}]` : host}:${config.port}`;
}

/** @returns the status code of /readyz */
async function askReadiness(config: Config): Promise<number> {
  const { socket, port } = config;
  const asked = request({
    ...(socket === undefined ? { host: hostOf(config), port } : { socketPath: socket }),
    path: '/readyz',
    // Uses a separate connection, which does not keep the process alive.
    agent: false,
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  // The status is enough; a body might never end.
  response.destroy();
  return response.statusCode!;
}

function explainFailure(error: Error): string {
  return error.name === 'AbortError' ? `no answer within ${TIMEOUT_MS / 1000} s` : error.message;
}
