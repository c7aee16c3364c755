import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from './free-port.ts';

const READY_WITHIN_MS = 60_000;
const ASK_EVERY_MS = 5;
const END_WITHIN_MS = 5000;

/** A server in its own process, which ends with the scope of this object. */
export interface ChildServer extends AsyncDisposable {
  readonly port: number;
  readonly process: ChildProcess;
  /** Milliseconds from the start of the process until it first reports readiness. */
  readonly readyAfter: number;
}

/**
 * Starts the service as shipped, with the configuration of the environment except address and log.
 * @param imports modules that the service's process runs first; they can talk to this process by `process.send`
 * @param environment additional variables, such as LOSSMETER_WORKERS
 */
export function startService({
  imports = [],
  environment = {},
}: { imports?: readonly URL[]; environment?: NodeJS.ProcessEnv } = {}): Promise<ChildServer> {
  const nodeArgs = imports.map(({ href }) => `--import=${href}`);
  return start(process.execPath, [...nodeArgs, pathOf('../src/cli/bin.js'), 'serve'], {
    hasChannel: imports.length > 0,
    environmentFor: (port) => ({
      LOSSMETER_LOG_LEVEL: 'warn',
      LOSSMETER_STORE: ':memory:',
      ...environment,
      LOSSMETER_HOST: '127.0.0.1',
      LOSSMETER_PORT: port,
    }),
  });
}

/** Starts a server of bench/baselines. */
export function startBaseline(name: 'drain-server' | 'bare-fastify' | 'one-turn'): Promise<ChildServer> {
  return start(process.execPath, [pathOf(`./baselines/${name}.ts`)]);
}

/** Starts the server of bench/peers. */
export function startPeer(python: string, environment: NodeJS.ProcessEnv = {}): Promise<ChildServer> {
  return start(python, [pathOf('./peers/fastapi_server.py')], {
    environmentFor: (port) => ({ ...environment, PORT: port }),
  });
}

function pathOf(relative: string): string {
  return fileURLToPath(new URL(relative, import.meta.url));
}

interface StartOptions {
  hasChannel?: boolean;
  environmentFor?: (port: string) => NodeJS.ProcessEnv;
}

async function start(
  program: string,
  args: readonly string[],
  { hasChannel = false, environmentFor = (port) => ({ PORT: port }) }: StartOptions = {},
): Promise<ChildServer> {
  const port = await freePort();
  const started = performance.now();
  const child = spawn(program, args, {
    // Redirects the service's output, its log and start errors, to standard error. Standard output is reserved for the
    // report.
    stdio: ['ignore', 2, 2, ...(hasChannel ? ['ipc' as const] : [])],
    env: { ...process.env, ...environmentFor(String(port)) },
  });
  // Ends the child whenever this process ends.
  const kill = (): boolean => child.kill('SIGKILL');
  process.once('exit', kill);
  const stop = async (): Promise<void> => {
    await end(child);
    process.off('exit', kill);
  };
  try {
    await ready(child, port);
  } catch (error) {
    await stop();
    throw error;
  }
  return { port, process: child, readyAfter: performance.now() - started, [Symbol.asyncDispose]: stop };
}

async function ready(child: ChildProcess, port: number): Promise<void> {
  const deadline = performance.now() + READY_WITHIN_MS;
  const name = child.spawnargs.join(' ');
  while (performance.now() < deadline) {
    if (hasEnded(child)) throw new Error(`${name} ended before it was ready`);
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
    await answer?.arrayBuffer();
    if (answer?.ok) return;
    await sleep(ASK_EVERY_MS);
  }
  throw new Error(`${name} was not ready within ${READY_WITHIN_MS} ms`);
}

async function end(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  const ended = once(child, 'exit');
  child.kill();
  const impatience = setTimeout(() => child.kill('SIGKILL'), END_WITHIN_MS);
  await ended;
  clearTimeout(impatience);
}

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}
