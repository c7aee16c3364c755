import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { ROOT } from '../e2e/process.ts';

/** A process of `lossmeter worker`. */
export class WorkerProcess {
  readonly child: ChildProcess;
  output = '';

  constructor(environment: Record<string, string>) {
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('LOSSMETER_'));
    this.child = spawn(process.execPath, [join(ROOT, 'src/cli/bin.js'), 'worker', '--workers', '1'], {
      env: {
        ...Object.fromEntries(inherited),
        ...environment,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      stream.on('data', (text: Buffer) => (this.output += text.toString()));
    }
    onTestFinished(() => void this.child.kill('SIGKILL'));
  }

  /** Number of files that it has evaluated. */
  get done(): number {
    return this.output.match(/: done after/g)?.length ?? 0;
  }

  /** @returns the exit code */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    const exit = once(this.child, 'exit');
    this.child.kill(signal);
    await exit;
    return this.child.exitCode;
  }

  async until(isAsWanted: () => boolean): Promise<void> {
    for (const end = performance.now() + 30_000; !isAsWanted(); await sleep(5)) {
      if (performance.now() > end) throw new Error(this.output);
    }
  }
}
