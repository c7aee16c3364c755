import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../bench/free-port.ts';

const SERVICE = fileURLToPath(new URL('../../src/cli/bin.js', import.meta.url));
const READY_WITHIN_MS = 30_000;

/** A replica of the service in its own process, which can be ended and restarted on its port. */
export class Replica implements AsyncDisposable {
  readonly port: number;
  readonly #environment: NodeJS.ProcessEnv;
  #process: ChildProcess | undefined;

  private constructor(port: number, environment: NodeJS.ProcessEnv) {
    this.port = port;
    this.#environment = environment;
  }

  static async start(environment: NodeJS.ProcessEnv): Promise<Replica> {
    const replica = new Replica(await freePort(), environment);
    await replica.run();
    return replica;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.#process!.pid!;
  }

  /** Starts the replica, and waits until it is ready. */
  async run(): Promise<void> {
    this.#process = spawn(process.execPath, [SERVICE, 'serve'], {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: {
        ...process.env,
        ...{ LOSSMETER_LOG_LEVEL: 'fatal', LOSSMETER_WORKERS: '1', LOSSMETER_KERNEL: 'strict' },
        ...this.#environment,
        ...{ LOSSMETER_HOST: '127.0.0.1', LOSSMETER_PORT: String(this.port) },
      },
    });
    for (const end = performance.now() + READY_WITHIN_MS; ; await sleep(20)) {
      const answer = await fetch(`${this.url}/readyz`).catch(() => undefined);
      if (answer?.status === 200) return;
      if (performance.now() > end || this.#process.exitCode !== null) throw new Error('the replica is not ready');
    }
  }

  /** Ends the replica by a signal. Resolves when it has ended. */
  async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process!;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end('SIGKILL');
  }
}
