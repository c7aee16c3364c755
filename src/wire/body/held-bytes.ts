import { LossmeterError } from '../../errors.ts';
import type { Steps } from '../../steps.ts';
import { free, isWhole } from '../../tensor/memory.ts';

/** For logits that other tensors follow. */
export const STREAMING_ADVICE =
  'send the tensor `logits` last, after label, input_mask, weight and options: then it streams';

/** For the first of two tensors that are compared. */
export const WAITING_ADVICE =
  'name one of the two as {"file", "tensor"} of the data directory, or split the batch by rows';

/** For what grows with the rows. */
export const SPLIT_ADVICE = 'split the batch by rows';

const AS_BYTES_ADVICE = 'send the elements of `logits` as bytes, after all other fields: then they stream';

/** Advice to the client on a field, or a part of one, that is held whole before it is read. */
export function adviceOn(field: string): string {
  if (field.startsWith('logits')) return AS_BYTES_ADVICE;
  return field === 'label' || field === 'input_mask' || field === 'the body' ? SPLIT_ADVICE : 'make it shorter';
}

/** Bytes of requests that wait in memory, over all requests: what cannot be handed on as it arrives. */
export class HeldBytes {
  readonly #max: number;
  #held = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get held(): number {
    return this.#held;
  }

  /** An account of one request: it takes as bytes arrive and gives all back at its end. */
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
  /** Throws what `take` would, and takes nothing: for what is announced and has not come. */
  requireRoom(bytes: number, what: string, advice: string): void;
  /**
   * Takes bytes before they are allocated.
   * @param advice for the client, when there is no room
   * @throws LossmeterError body_too_large when this request would hold too much, overloaded when all requests would
   */
  take(bytes: number, what: string, advice: string): void;
  /** Gives back a part of what was taken. */
  give(bytes: number): void;
  /** Frees the memory that was taken when the account is closed: it would wait for a garbage collection. */
  onClose(free: () => void): void;
  close(): void;
}

/**
 * Chunks from half of this size on are held as they are, where they are the whole of their memory. Others are copied
 * together into blocks of it: a part would keep the whole.
 */
const BLOCK_BYTES = 65_536;

/** First size of a block, which grows: most values are short. */
const FIRST_BLOCK_BYTES = 256;

/** Runs up to this length in all are copied together at once. */
const CONCAT_BYTES = 2 ** 18;

/**
 * Collects bytes that have to wait, whatever the chunks in which they come: single bytes cost what they are. Takes the
 * chunks over: their memory is kept, or copied and freed.
 */
export class HeldRuns {
  readonly #account: HeldBytesAccount;
  readonly #what: string;
  readonly #advice: string;
  readonly runs: Uint8Array[] = [];
  #block = new Uint8Array(0);
  #filled = 0;

  /** @param advice for the client, when they are too many */
  constructor(account: HeldBytesAccount, what: string, advice: string) {
    this.#account = account;
    this.#what = what;
    this.#advice = advice;
    account.onClose(() => this.runs.splice(0).forEach(free));
  }

  push(chunk: Uint8Array): void {
    // A run of nothing would not be on the account.
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

  /** Grows the block, or starts another one when it cannot grow. */
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

  /** True where they are copied together at once. */
  get isShort(): boolean {
    return this.byteLength <= CONCAT_BYTES;
  }

  /** All bytes in one buffer that nobody else has. The memory of each run is freed when it was copied. */
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
