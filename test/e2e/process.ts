/** The service as a separate process, as `npm start` runs it. */
import { spawn } from 'node:child_process';
import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The service ended, or did not listen in time. */
export class NoStartError extends Error {
  readonly output: string;
  readonly exitCode: number | null;

  constructor(output: string, exitCode: number | null) {
    super(`no start, exit code ${exitCode}:\n${output}`);
    this.output = output;
    this.exitCode = exitCode;
  }
}

export class ServiceProcess {
  readonly child: ChildProcess;
  /** Output of the process so far. */
  output = '';
  #url = '';

  private constructor(environment: Record<string, string>, options: SpawnOptions) {
    const inherited = Object.entries(process.env).filter(([name]) => !/^(?:LOSSMETER|OTEL)_/.test(name));
    // Adds the options of the test to the inherited ones, which preload the recorder of replies.
    const nodeOptions = [process.env['NODE_OPTIONS'], environment['NODE_OPTIONS']].filter(Boolean).join(' ');
    this.child = spawn(process.execPath, ['src/cli/bin.js', 'serve'], {
      cwd: ROOT,
      env: {
        ...Object.fromEntries(inherited),
        ...{ LOSSMETER_PORT: '0', LOSSMETER_STORE: ':memory:', ...environment, NODE_OPTIONS: nodeOptions },
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...options,
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (text: Buffer) => {
        this.output += text.toString();
      });
    }
  }

  get url(): string {
    return this.#url;
  }

  /** Starts a service on a free port and waits until it listens. */
  static async start(environment: Record<string, string> = {}, options: SpawnOptions = {}): Promise<ServiceProcess> {
    const service = new ServiceProcess(environment, options);
    const deadline = performance.now() + 60_000;
    while (service.#url === '') {
      if (service.child.exitCode !== null || performance.now() > deadline) {
        // Its last output may still be in the pipes.
        await sleep(50);
        service.child.kill('SIGKILL');
        throw new NoStartError(service.output, service.child.exitCode);
      }
      service.#url = /Server listening at (\S+?)"/.exec(service.output)?.[1] ?? '';
      await sleep(10);
    }
    return service;
  }

  /** Sends a signal and resolves to the exit code. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const { child } = this;
    if (child.exitCode === null && child.signalCode === null) {
      const exit = once(child, 'exit');
      child.kill(signal);
      await exit;
    }
    return child.exitCode;
  }
}
