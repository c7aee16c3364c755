/** The service as a process of its own, as `npm start` runs it. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export class ServiceProcess {
  readonly child: ChildProcess;
  /** What it has written so far. */
  output = '';
  #url = '';

  private constructor(environment: Record<string, string>) {
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('LOSSMETER_'));
    this.child = spawn(process.execPath, ['--max-semi-space-size=1', 'src/cli/bin.js', 'serve'], {
      cwd: ROOT,
      env: { ...Object.fromEntries(inherited), LOSSMETER_PORT: '0', LOSSMETER_STORE: ':memory:', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
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
  static async start(environment: Record<string, string> = {}): Promise<ServiceProcess> {
    const service = new ServiceProcess(environment);
    const deadline = performance.now() + 20_000;
    while (service.#url === '') {
      if (service.child.exitCode !== null || performance.now() > deadline)
        throw new Error(`no start:\n${service.output}`);
      service.#url = /Server listening at (\S+?)"/.exec(service.output)?.[1] ?? '';
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return service;
  }

  /** Sends a signal and resolves to the exit code. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const { child } = this;
    if (child.exitCode === null) {
      const exit = once(child, 'exit');
      child.kill(signal);
      await exit;
    }
    return child.exitCode;
  }
}
