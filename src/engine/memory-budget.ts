/**
 * Bytes of memory that several users share. A request for more than the free bytes waits. Requests are granted in their
 * order.
 */
export class MemoryBudget {
  readonly #maxBytes: number;
  readonly #waiting: { bytes: number; grant: () => void }[] = [];
  #bytesInUse = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytesInUse(): number {
    return this.#bytesInUse;
  }

  /** True while a request waits for bytes that others hold. */
  get isWaitedFor(): boolean {
    return this.#waiting.length > 0;
  }

  /** Resolves when the bytes are granted. A request larger than the budget is granted when all bytes are free. */
  async reserve(bytes: number): Promise<void> {
    if (this.#waiting.length === 0 && this.#fits(bytes)) {
      this.#bytesInUse += bytes;
      return;
    }
    await new Promise<void>((grant) => {
      this.#waiting.push({ bytes, grant });
    });
  }

  /** Releases bytes, and grants the next requests that fit. */
  release(bytes: number): void {
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
