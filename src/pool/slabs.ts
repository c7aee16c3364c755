/** Free slabs that are kept for use again. */
const MAX_FREE = 16;

/**
 * The buffers in which logits travel to the workers. Those of the standard size are used again; a row larger than that
 * gets a buffer of its own size. All of them together stay within a number of bytes: who asks for more waits.
 */
export class Slabs {
  readonly standardBytes: number;
  readonly #maxBytes: number;
  readonly #free: ArrayBuffer[] = [];
  readonly #waiting: { bytes: number; grant: () => void }[] = [];
  #bytesInUse = 0;

  constructor(standardBytes: number, maxBytes: number) {
    this.standardBytes = standardBytes;
    this.#maxBytes = maxBytes;
  }

  get bytesInUse(): number {
    return this.#bytesInUse;
  }

  /** Whether somebody waits for what others have. */
  get isWaitedFor(): boolean {
    return this.#waiting.length > 0;
  }

  /**
   * A buffer of at least that many bytes, in the order of asking. One is always granted, however large.
   * @param beside bytes that the kernels take for it: `forget` gives them back
   */
  async acquire(bytes: number, beside = 0): Promise<ArrayBuffer> {
    const size = Math.max(bytes, this.standardBytes);
    await this.reserve(size + beside);
    const free = size === this.standardBytes ? this.#free.pop() : undefined;
    if (free !== undefined) return free;
    try {
      return new ArrayBuffer(size);
    } catch (error) {
      this.forget(size + beside);
      throw error;
    }
  }

  /** Accounts for memory that is taken without a buffer, in the order of asking; `forget` gives it back. */
  async reserve(bytes: number): Promise<void> {
    if (this.#waiting.length === 0 && this.#fits(bytes)) {
      this.#bytesInUse += bytes;
      return;
    }
    await new Promise<void>((grant) => {
      this.#waiting.push({ bytes, grant });
    });
  }

  /** Takes a buffer back. */
  release(slab: ArrayBuffer): void {
    if (slab.byteLength === this.standardBytes && this.#free.length < MAX_FREE) this.#free.push(slab);
    this.forget(slab.byteLength);
  }

  /** Accounts for a buffer that was lost with the worker that held it. */
  forget(bytes: number): void {
    this.#bytesInUse -= bytes;
    for (let next = this.#waiting[0]; next !== undefined && this.#fits(next.bytes); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#bytesInUse += next.bytes;
      next.grant();
    }
  }

  #fits(bytes: number): boolean {
    return this.#bytesInUse === 0 || this.#bytesInUse + bytes <= this.#maxBytes;
  }
}
