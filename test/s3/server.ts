import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { environmentOf, pythonOf } from '../python/environment.ts';
import { freePort } from '../../bench/free-port.ts';

const START_MS = 60_000;

/** Moto's S3 server, in its own virtual environment. It keeps objects in memory. */
export class S3Server {
  readonly url: string;
  readonly #process: ChildProcess;

  private constructor(url: string, server: ChildProcess) {
    this.url = url;
    this.#process = server;
  }

  static async start(): Promise<S3Server> {
    const python = pythonOf(environmentOf({ name: 's3', requirements: 'test/s3/requirements.txt' }));
    const port = await freePort();
    const args = ['-m', 'moto.server', '--host', '127.0.0.1', '--port', String(port)];
    const server = spawn(python, args, { stdio: 'ignore' });
    const url = `http://127.0.0.1:${port}`;
    for (const end = performance.now() + START_MS; ; await delay(100)) {
      const answer = await fetch(url).catch(() => undefined);
      await answer?.body?.cancel();
      if (answer !== undefined) return new S3Server(url, server);
      if (performance.now() > end || server.exitCode !== null) throw new Error('moto did not start');
    }
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill();
    await ended;
  }
}
