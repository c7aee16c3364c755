import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { Pair } from '../compare.ts';

const SCRIPT = `${import.meta.dirname}/pytorch_divergence.py`;

/** PyTorch's divergence of a pair of float32 tensors, in a process that times it on request. */
export class PyTorchDivergence implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #answers: AsyncIterator<string>;
  readonly #kill = (): boolean => this.#child.kill();

  constructor(python: string, { rows, classes, reference, logits }: Pair) {
    this.#child = spawn(python, [SCRIPT], { stdio: ['pipe', 'pipe', 'inherit'] });
    // Ends the child whenever this process ends.
    process.once('exit', this.#kill);
    // Ignores write errors: when the child ends, its output ends, and the reader reports that.
    this.#child.stdin.on('error', () => {});
    this.#answers = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    this.#child.stdin.write(`${JSON.stringify([rows, classes])}\n`);
    this.#child.stdin.write(reference);
    this.#child.stdin.write(logits);
  }

  async time(): Promise<{ milliseconds: number; divergences: number[] }> {
    this.#child.stdin.write('\n');
    const { done, value } = await this.#answers.next();
    if (done === true) throw new Error('PyTorch ended early');
    return JSON.parse(value) as { milliseconds: number; divergences: number[] };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.off('exit', this.#kill);
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill();
    await ended;
  }
}
