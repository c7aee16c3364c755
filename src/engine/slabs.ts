import { MemoryBudget } from './memory-budget.ts';

/** Largest number of free slabs kept for reuse. */
const MAX_FREE = 16;

/**
 * Buffers that carry logits to the workers. Buffers of the standard size are reused; a larger row gets a buffer of its
 * own size. All buffers together stay within a budget: a request beyond it waits.
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

  /**
   * Allocates a buffer of at least the given size. Requests are granted in their order; at least one is always granted,
   * whatever its size.
   */
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

  /** Takes back a buffer for reuse. */
  release(slab: ArrayBuffer): void {
    if (slab.byteLength === this.standardBytes && this.#free.length < MAX_FREE) this.#free.push(slab);
    this.forget(slab.byteLength);
  }

  /** Releases the bytes of a buffer that was lost with its worker. */
  forget(bytes: number): void {
    this.#budget.release(bytes);
  }
}
