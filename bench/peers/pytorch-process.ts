import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

/** PyTorch script in its own process, which times an action on request. */
export class PyTorchProcess<Timing> implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #answers: AsyncIterator<string>;
  readonly #kill = (): boolean => this.#child.kill();

  /** @param input sizes, sent as JSON in the first line, and tensors, whose bytes follow */
  constructor(
    python: string,
    script: string,
    input: { sizes: readonly number[]; tensors: readonly Uint8Array[] },
    environment: NodeJS.ProcessEnv = {},
  ) {
    this.#child = spawn(python, [`${import.meta.dirname}/${script}`], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...environment },
    });
    // Ends the child whenever this process ends.
    process.once('exit', this.#kill);
    // Ignores write errors: when the child ends, its output ends, and the reader reports that.
    this.#child.stdin.on('error', () => {});
    this.#answers = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    this.#child.stdin.write(`${JSON.stringify(input.sizes)}\n`);
    for (const tensor of input.tensors) this.#child.stdin.write(tensor);
  }

  async time(action = ''): Promise<Timing> {
    this.#child.stdin.write(`${action}\n`);
    const { done, value } = await this.#answers.next();
    if (done === true) throw new Error('PyTorch ended early');
    return JSON.parse(value) as Timing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.off('exit', this.#kill);
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill();
    await ended;
  }
}
