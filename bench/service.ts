import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const READY_WITHIN_MS = 20_000;
const END_WITHIN_MS = 5000;

/** A server in a process of its own, which ends when its scope does. */
export interface ChildServer extends AsyncDisposable {
  readonly port: number;
  readonly pid: number;
}

/** The service as it ships, with the configuration of the environment but for the address and the log. */
export function startService(): Promise<ChildServer> {
  // As `npm start` does.
  return start(['--max-semi-space-size=1'], '../src/cli/bin.js', ['serve'], (port) => ({
    LOSSMETER_HOST: '127.0.0.1',
    LOSSMETER_PORT: port,
    LOSSMETER_LOG_LEVEL: 'warn',
  }));
}

/** A server of bench/baselines. */
export function startBaseline(name: 'drain-server' | 'bare-fastify'): Promise<ChildServer> {
  return start([], `./baselines/${name}.ts`, [], (port) => ({ PORT: port }));
}

async function start(
  nodeArgs: readonly string[],
  script: string,
  args: readonly string[],
  environmentFor: (port: string) => NodeJS.ProcessEnv,
): Promise<ChildServer> {
  const port = await freePort();
  const path = fileURLToPath(new URL(script, import.meta.url));
  const child = spawn(process.execPath, [...nodeArgs, path, ...args], {
    // The service logs to its standard output, why it cannot start too; ours is for the report.
    stdio: ['ignore', 2, 2],
    env: { ...process.env, ...environmentFor(String(port)) },
  });
  // However this process ends, the child does not outlive it.
  const kill = (): boolean => child.kill('SIGKILL');
  process.once('exit', kill);
  const stop = async (): Promise<void> => {
    await end(child);
    process.off('exit', kill);
  };
  try {
    await ready(child, port, script);
  } catch (error) {
    await stop();
    throw error;
  }
  return { port, pid: child.pid!, [Symbol.asyncDispose]: stop };
}

async function ready(child: ChildProcess, port: number, script: string): Promise<void> {
  const deadline = performance.now() + READY_WITHIN_MS;
  while (performance.now() < deadline) {
    if (hasEnded(child)) throw new Error(`${script} ended before it was ready`);
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
    await answer?.arrayBuffer();
    if (answer?.ok) return;
    await sleep(20);
  }
  throw new Error(`${script} was not ready within ${READY_WITHIN_MS} ms`);
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

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
