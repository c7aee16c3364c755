/** Bytes outside the memory, such as in a file. They are read directly into the kernels' memory. */
export interface ByteSource {
  readonly byteLength: number;
  /** Fills the target, or throws. */
  readInto(target: Uint8Array): void;
}

const PAGE_BYTES = 65536;

/**
 * Memory of a WebAssembly instance. Allocations follow one another and are freed together. Allocating may grow the
 * memory, which detaches all views of it.
 */
export class Arena {
  readonly #memory: WebAssembly.Memory;
  /** Address at which free memory begins when nothing is allocated. */
  readonly #start: number;
  #free: number;

  constructor(memory: WebAssembly.Memory, start: number) {
    this.#memory = memory;
    this.#start = start;
    this.#free = start;
  }

  get byteLength(): number {
    return this.#memory.buffer.byteLength;
  }

  /** Frees all allocations. */
  clear(): void {
    this.#free = this.#start;
  }

  /** Allocates memory until `clear`. @returns its address, a multiple of 16 */
  allocate(bytes: number): number {
    const at = Math.ceil(this.#free / 16) * 16;
    this.#free = at + bytes;
    const missing = this.#free - this.byteLength;
    if (missing > 0) this.#memory.grow(Math.ceil(missing / PAGE_BYTES));
    return at;
  }

  /** Runs a function with memory that is freed after it, as is all that the function allocates. */
  temporary<R>(bytes: number, run: (at: number) => R): R {
    const mark = this.#free;
    try {
      return run(this.allocate(bytes));
    } finally {
      this.#free = mark;
    }
  }

  copyIn(values: Uint8Array | Int32Array | Float64Array): number {
    const at = this.allocate(values.byteLength);
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    new Uint8Array(this.#memory.buffer).set(bytes, at);
    return at;
  }

  bringIn(source: Uint8Array | ByteSource): number {
    if (source instanceof Uint8Array) return this.copyIn(source);
    const at = this.allocate(source.byteLength);
    source.readInto(this.u8(at, source.byteLength));
    return at;
  }

  /** @param into memory that receives the bytes if they fit */
  copyOut(at: number, length: number, into?: ArrayBuffer): Uint8Array<ArrayBuffer> {
    const bytes = this.u8(at, length);
    if (into === undefined || into.byteLength < length) return bytes.slice();
    const copy = new Uint8Array(into, 0, length);
    copy.set(bytes);
    return copy;
  }

  u8(at: number, length: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#memory.buffer, at, length);
  }

  i32(at: number, length: number): Int32Array<ArrayBuffer> {
    return new Int32Array(this.#memory.buffer, at, length);
  }

  u32(at: number, length: number): Uint32Array<ArrayBuffer> {
    return new Uint32Array(this.#memory.buffer, at, length);
  }

  f64(at: number, length: number): Float64Array<ArrayBuffer> {
    return new Float64Array(this.#memory.buffer, at, length);
  }
}
