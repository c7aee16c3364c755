import type { Readable } from 'node:stream';
import { LossmeterError } from '../../errors.ts';
import { bodyTooLong, clientClosed } from './content-encoding.ts';
import type { Bytes } from '../decoding.ts';
import { KIND_BYTES } from './file-kind.ts';

/** Bytes, and chunks, that may wait unread before the source is paused: a sender may cut its body into single bytes. */
const HIGH_WATER_BYTES = 1 << 20;
const HIGH_WATER_CHUNKS = 1024;

export interface ReaderOptions {
  /** Says what an error of the stream means. */
  explain?: (cause: Error) => LossmeterError;
  /** Told what has come in all; what it throws ends the reading. */
  check?: (received: number) => void;
  /** Bytes that may wait unread before the source is paused. */
  aheadBytes?: number | undefined;
  /** Bytes that come in all, where HTTP has said so: behind them the end need not be waited for. */
  length?: number | undefined;
}

/** Stands where a chunk was, so that it can be collected. */
const CONSUMED = new Uint8Array(0);

/**
 * Reads a stream of bytes on demand. Chunks are handed on without copying; when the reader does not keep up the stream
 * is paused, so that TCP holds the sender back. Never destroys the stream: the rest may have to be drained.
 */
export class ByteReader implements Bytes {
  readonly #stream: Readable;
  readonly #maxBytes: number;
  readonly #explain: (cause: Error) => LossmeterError;
  readonly #check: (received: number) => void;
  readonly #aheadBytes: number;
  readonly #length: number | undefined;
  /** Unread chunks: those from #head on. Taking from the front of an array would cost its length. */
  #chunks: Uint8Array[] = [];
  #head = 0;
  #buffered = 0;
  #received = 0;
  #beginning: Uint8Array = CONSUMED;
  #ended: boolean;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;

  /** @param maxBytes bound on the whole body */
  constructor(
    stream: Readable,
    maxBytes: number,
    { explain = clientClosed, check = () => undefined, aheadBytes = HIGH_WATER_BYTES, length }: ReaderOptions = {},
  ) {
    this.#stream = stream;
    this.#maxBytes = maxBytes;
    this.#explain = explain;
    this.#check = check;
    this.#aheadBytes = aheadBytes;
    this.#length = length;
    this.#ended = length === 0;
    stream.on('data', this.#onData);
    stream.on('end', this.#onEnd);
    stream.on('error', this.#onError);
    stream.on('close', this.#onClose);
  }

  /** Bytes received so far. */
  get received(): number {
    return this.#received;
  }

  /** The first bytes: they show the kind of a file that is no request. */
  get beginning(): Uint8Array {
    return this.#beginning;
  }

  /** True while it waits for bytes. */
  get isWaiting(): boolean {
    return this.#wake !== undefined;
  }

  /** Ends the reading with an error, and drops unread bytes. */
  fail(error: LossmeterError): void {
    this.#fail(error);
  }

  /** Stops reading; the stream goes on to belong to the caller. */
  detach(): void {
    this.#stream.off('data', this.#onData);
    this.#stream.off('end', this.#onEnd);
    this.#stream.off('close', this.#onClose);
    this.#clear();
    // The error listener stays: a client that leaves must not end the process.
  }

  get here(): Uint8Array | undefined {
    return this.#chunks[this.#head];
  }

  get ended(): boolean {
    // A failure is no end: whoever asks for more gets it.
    return this.#failure === undefined && this.#ended && this.#head === this.#chunks.length;
  }

  /** Resolves when there is more to read, or the end has come. @throws Error that the stream ended with */
  async more(): Promise<void> {
    while (this.here === undefined && !this.#ended && this.#failure === undefined) {
      await new Promise<void>((wake) => {
        this.#wake = wake;
      });
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  skip(bytes: number): void {
    const chunk = this.#chunks[this.#head]!;
    this.#buffered -= bytes;
    if (bytes < chunk.byteLength) {
      this.#chunks[this.#head] = chunk.subarray(bytes);
      return;
    }
    this.#chunks[this.#head++] = CONSUMED;
    if (this.#head < this.#chunks.length) return;
    this.#clear();
    if (this.#stream.isPaused()) this.#stream.resume();
  }

  readonly #onData = (chunk: Uint8Array): void => {
    if (this.#failure !== undefined || chunk.byteLength === 0) return;
    this.#received += chunk.byteLength;
    if (this.#received > this.#maxBytes) {
      this.#fail(bodyTooLong(this.#maxBytes));
      return;
    }
    try {
      this.#check(this.#received);
    } catch (error) {
      this.#fail(error as Error);
      return;
    }
    const missing = KIND_BYTES - this.#beginning.byteLength;
    if (missing > 0) this.#beginning = Buffer.concat([this.#beginning, chunk.subarray(0, missing)]);
    this.#chunks.push(chunk);
    this.#buffered += chunk.byteLength;
    if (this.#received === this.#length) this.#ended = true;
    if (this.#buffered >= this.#aheadBytes || this.#chunks.length >= HIGH_WATER_CHUNKS) this.#stream.pause();
    this.#signal();
  };

  readonly #onEnd = (): void => {
    this.#ended = true;
    this.#signal();
  };

  readonly #onClose = (): void => {
    if (!this.#ended) this.#fail(clientClosed());
  };

  readonly #onError = (cause: Error): void => this.#fail(this.#explain(cause));

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#clear();
    this.#signal();
  }

  #clear(): void {
    this.#chunks = [];
    this.#head = 0;
    this.#buffered = 0;
  }

  #signal(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}
