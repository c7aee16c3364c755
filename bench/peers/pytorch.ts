import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Batch } from '../blocks.ts';

const SCRIPT = `${import.meta.dirname}/pytorch_kernels.py`;

/**
 * Lets glibc allocate large tensors from its heap and keep freed memory, so that results reuse the pages of earlier
 * ones. By default each large tensor is mapped anew, and the system's kernel fills it with zeros.
 */
export const PAGE_REUSE = { GLIBC_TUNABLES: 'glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=17179869184' };

export interface Timing {
  milliseconds: number;
  loss: number;
  /** Gradient with respect to each row's logit at its label; for `backward`. */
  gradient?: number[];
}

/** PyTorch's cross entropy of one batch, in a process that times an action on request. */
export class PyTorch implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;
  readonly #kill = (): boolean => this.#child.kill();

  constructor(python: string, environment: NodeJS.ProcessEnv, { logits, classes, labels }: Batch) {
    const child = spawn(python, [SCRIPT], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...environment },
    });
    this.#child = child;
    // Ends the child whenever this process ends.
    process.once('exit', this.#kill);
    // Ignores write errors: when the child ends, its output ends, and the reader reports that.
    child.stdin.on('error', () => {});
    this.#answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    child.stdin.write(`${JSON.stringify([labels.length, classes])}\n`);
    child.stdin.write(logits);
    child.stdin.write(Buffer.from(labels.buffer, labels.byteOffset, labels.byteLength));
  }

  async time(action: 'forward' | 'backward'): Promise<Timing> {
    this.#child.stdin!.write(`${action}\n`);
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
