import { MemoryBudget } from './memory-budget.ts';

/** Free slabs that are kept for use again. */
const MAX_FREE = 16;

/**
 * Buffers in which logits travel to the workers. Those of the standard size are used again; a row larger than that gets a
 * buffer of its own size. All of them together stay within a budget: a request for more waits.
 */
export class Slabs {
  readonly standardBytes: number;
  readonly #budget: MemoryBudget;
  readonly #free: ArrayBuffer[] = [];

  constructor(standardBytes: number, maxBytes: number) {
    this.standardBytes = standardBytes;
    this.#budget = new MemoryBudget(maxBytes);
  }

  get bytesInUse(): number {
    return this.#budget.bytesInUse;
  }

  /** True while a request waits for slabs that others hold. */
  get isWaitedFor(): boolean {
    return this.#budget.isWaitedFor;
  }

  /** Allocates a buffer of at least that many bytes, in the order of asking. One is always granted, however large. */
  async acquire(bytes: number): Promise<ArrayBuffer> {
    const size = Math.max(bytes, this.standardBytes);
    await this.#budget.reserve(size);
    const free = size === this.standardBytes ? this.#free.pop() : undefined;
    if (free !== undefined) return free;
    try {
      return new ArrayBuffer(size);
    } catch (error) {
      this.forget(size);
      throw error;
    }
  }

  /** Takes a buffer back. */
  release(slab: ArrayBuffer): void {
    if (slab.byteLength === this.standardBytes && this.#free.length < MAX_FREE) this.#free.push(slab);
    this.forget(slab.byteLength);
  }

  /** Accounts for a buffer that was lost with the worker that held it. */
  forget(bytes: number): void {
    this.#budget.release(bytes);
  }
}
