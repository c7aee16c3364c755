import { once } from 'node:events';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { isIPv6 } from 'node:net';
import { loadConfig } from '../config.ts';
import type { Config } from '../config.ts';

const USAGE = `usage: lossmeter health

Asks the service that the environment configures (LOSSMETER_HOST and _PORT, or
_SOCKET) on this machine whether it is ready, and prints a line. The exit code
is 0 when it is, 1 when it is not or does not answer, and 2 for wrong usage.
`;

/** Within this many milliseconds the service must have answered. */
const TIMEOUT_MS = 3000;

const EXIT_NOT_READY = 1;
const EXIT_USAGE = 2;

/** Who listens on every address is asked on that of loopback. */
const LOOPBACK = new Map([
  ['0.0.0.0', '127.0.0.1'],
  ['::', '::1'],
]);

/** `lossmeter health`, the health check of the container. @returns the exit code */
export async function health(args: string[]): Promise<number> {
  if (args.length > 0) {
    const isHelp = args.every((arg) => arg === '--help' || arg === '-h');
    if (isHelp) console.log(USAGE);
    else console.error(`lossmeter health takes no ${args[0]}\n\n${USAGE}`);
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

/** The service, as the line says it. */
function nameOf(config: Config): string {
  if (config.socket !== undefined) return config.socket;
  const host = hostOf(config);
  return `http://${isIPv6(host) ? `[${host}]` : host}:${config.port}`;
}

/** @returns the status of /readyz */
async function askReadiness(config: Config): Promise<number> {
  const { socket, port } = config;
  const asked = request({
    ...(socket === undefined ? { host: hostOf(config), port } : { socketPath: socket }),
    path: '/readyz',
    // A connection of its own, which does not keep the process.
    agent: false,
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  // The status says it all, and a body may never end.
  response.destroy();
  return response.statusCode!;
}

function explainFailure(error: Error): string {
  return error.name === 'AbortError' ? `no answer within ${TIMEOUT_MS / 1000} s` : error.message;
}
