import { LossmeterError } from '../../errors.ts';
import type { Steps } from '../../steps.ts';
import { free, isWhole } from '../../tensor/memory.ts';

/** Advice for logits that other tensors follow. */
export const STREAMING_ADVICE =
  'send the tensor `logits` last, after label, input_mask, weight and options: then it streams';

/** Advice for the first of two tensors to compare. */
export const WAITING_ADVICE =
  'name one of the two as {"file", "tensor"} of the data directory, or split the batch by rows';

/** Advice for data whose size grows with the rows. */
export const SPLIT_ADVICE = 'split the batch by rows';

const AS_BYTES_ADVICE = 'send the elements of `logits` as bytes, after all other fields: then they stream';

/** Advice to the client for a field, or a part of one, that is buffered whole before it is read. */
export function adviceOn(field: string): string {
  if (field.startsWith('logits')) return AS_BYTES_ADVICE;
  return field === 'label' || field === 'input_mask' || field === 'the body' ? SPLIT_ADVICE : 'make it shorter';
}

/** Account of the bytes that all requests hold in memory: data that cannot be streamed. */
export class HeldBytes {
  readonly #max: number;
  #held = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get held(): number {
    return this.#held;
  }

  /** Opens the account of one request. Closing it gives back all bytes that it took. */
  open(): HeldBytesAccount {
    let taken = 0;
    const frees: (() => void)[] = [];
    const requireRoom: HeldBytesAccount['requireRoom'] = (bytes, what, advice) => {
      if (taken + bytes > this.#max) {
        const detail =
          `${what} must be buffered in memory, which would exceed the ${this.#max} bytes that requests may ` +
          `hold; ${advice}`;
        throw new LossmeterError('body_too_large', detail);
      }
      if (this.#held + bytes > this.#max) {
        throw new LossmeterError(
          'overloaded',
          `${what} must be buffered in memory, but other requests use all of it at the moment`,
        );
      }
    };
    return {
      requireRoom,
      take: (bytes, what, advice) => {
        requireRoom(bytes, what, advice);
        this.#held += bytes;
        taken += bytes;
      },
      give: (bytes) => {
        this.#held -= bytes;
        taken -= bytes;
      },
      onClose: (free) => void frees.push(free),
      close: () => {
        for (const free of frees.splice(0)) free();
        this.#held -= taken;
        taken = 0;
      },
    };
  }
}

export interface HeldBytesAccount {
  /** Throws the errors of `take` without taking bytes: for data that is announced but not received. */
  requireRoom(bytes: number, what: string, advice: string): void;
  /**
   * Takes bytes before they are allocated.
   * @param advice for the client, when memory is insufficient
   * @throws LossmeterError body_too_large when this request alone would exceed the limit, overloaded when all together would
   */
  take(bytes: number, what: string, advice: string): void;
  /** Gives back some of the bytes that were taken. */
  give(bytes: number): void;
  /** Registers a function that frees memory when the account is closed, without waiting for a garbage collection. */
  onClose(free: () => void): void;
  close(): void;
}

/**
 * Size of a block. Chunks of at least half of it are kept without a copy if they are the whole of their ArrayBuffer. Other
 * chunks are copied into blocks: a part of an ArrayBuffer would keep the whole of it.
 */
const BLOCK_BYTES = 65_536;

/** Initial size of a block, which grows. Most values are short. */
const FIRST_BLOCK_BYTES = 256;

/** Runs of at most this total length are concatenated in one step. */
const CONCAT_BYTES = 2 ** 18;

/**
 * Buffers bytes that cannot be streamed. Memory is proportional to the bytes even when they arrive one by one. Takes
 * ownership of the chunks: their memory is kept, or copied and freed.
 */
export class HeldRuns {
  readonly #account: HeldBytesAccount;
  readonly #what: string;
  readonly #advice: string;
  readonly runs: Uint8Array[] = [];
  #block = new Uint8Array(0);
  #filled = 0;

  /** @param advice for the client, when memory is insufficient */
  constructor(account: HeldBytesAccount, what: string, advice: string) {
    this.#account = account;
    this.#what = what;
    this.#advice = advice;
    account.onClose(() => this.runs.splice(0).forEach(free));
  }

  push(chunk: Uint8Array): void {
    // An empty run takes no bytes, so the account would not bound the number of runs.
    if (chunk.byteLength === 0) return;
    if (chunk.byteLength >= BLOCK_BYTES / 2 && isWhole(chunk)) {
      this.#account.take(chunk.byteLength, this.#what, this.#advice);
      this.runs.push(chunk);
      this.#block = new Uint8Array(0);
      this.#filled = 0;
      return;
    }
    if (this.#filled + chunk.byteLength > this.#block.byteLength) this.#makeRoom(chunk.byteLength);
    this.#block.set(chunk, this.#filled);
    if (this.#filled > 0) this.runs.pop();
    this.#filled += chunk.byteLength;
    this.runs.push(this.#block.subarray(0, this.#filled));
    free(chunk);
  }

  /** Grows the block, or starts another one when the block would exceed BLOCK_BYTES. */
  #makeRoom(bytes: number): void {
    if (this.#filled + bytes > BLOCK_BYTES) {
      this.#block = new Uint8Array(0);
      this.#filled = 0;
    }
    let length = FIRST_BLOCK_BYTES;
    while (length < this.#filled + bytes) length *= 2;
    this.#account.take(length - this.#block.byteLength, this.#what, this.#advice);
    const block = new Uint8Array(length);
    block.set(this.#block);
    this.#block = block;
  }

  get byteLength(): number {
    return this.runs.reduce((sum, run) => sum + run.byteLength, 0);
  }

  /** True when the runs may be concatenated in one step. */
  get isShort(): boolean {
    return this.byteLength <= CONCAT_BYTES;
  }

  /** Copies all bytes into one new buffer. Frees each run after it was copied. */
  *gather(): Steps<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(this.byteLength);
    const { runs } = this;
    let at = 0;
    for (let run = runs.shift(); run !== undefined; run = runs.shift()) {
      bytes.set(run, at);
      at += run.byteLength;
      free(run);
      yield;
    }
    this.#account.onClose(() => free(bytes));
    return bytes;
  }

  concat(): Uint8Array {
    return this.runs.length === 1 ? this.runs[0]! : Buffer.concat(this.runs);
  }
}
