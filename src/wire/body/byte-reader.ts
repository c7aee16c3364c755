import type { Readable } from 'node:stream';
import { LossmeterError } from '../../errors.ts';
import { bodyTooLong, clientClosed } from './content-encoding.ts';
import type { Bytes } from '../decoding.ts';
import { KIND_BYTES } from './file-kind.ts';

/** Bytes and chunks that may be buffered before the source is paused. Chunks count because they may be single bytes. */
const HIGH_WATER_BYTES = 1 << 20;
const HIGH_WATER_CHUNKS = 1024;

export interface ReaderOptions {
  /** Converts an error of the stream. */
  explain?: (cause: Error) => LossmeterError;
  /** Called with the number of bytes received so far. Throws to end the reading. */
  check?: (received: number) => void;
  /** Bytes that may be buffered before the source is paused. */
  aheadBytes?: number | undefined;
  /** Length of the body, if HTTP announces it. The reader then ends after the last byte, without waiting for the end event. */
  length?: number | undefined;
}

/** Replaces a consumed chunk, so that the chunk can be garbage-collected. */
const CONSUMED = new Uint8Array(0);

/**
 * Reads a stream of bytes on demand, without copying chunks. Pauses the stream when too many bytes are buffered, so that TCP
 * applies back-pressure to the sender. Never destroys the stream: the caller may have to drain the rest.
 */
export class ByteReader implements Bytes {
  readonly #stream: Readable;
  readonly #maxBytes: number;
  readonly #explain: (cause: Error) => LossmeterError;
  readonly #check: (received: number) => void;
  readonly #aheadBytes: number;
  readonly #length: number | undefined;
  /** Chunks; those from index #head on are unread. Removing the first element of an array would take linear time. */
  #chunks: Uint8Array[] = [];
  #head = 0;
  #buffered = 0;
  #received = 0;
  #beginning: Uint8Array = CONSUMED;
  #ended: boolean;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;

  /** @param maxBytes limit of the whole body */
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

  /** First bytes of the body. They identify the kind of a file that was sent instead of a request. */
  get beginning(): Uint8Array {
    return this.#beginning;
  }

  /** True while a caller waits for bytes. */
  get isWaiting(): boolean {
    return this.#wake !== undefined;
  }

  /** Ends the reading with an error, and drops unread bytes. */
  fail(error: LossmeterError): void {
    this.#fail(error);
  }

  /** Stops reading. The caller keeps the stream. */
  detach(): void {
    this.#stream.off('data', this.#onData);
    this.#stream.off('end', this.#onEnd);
    this.#stream.off('close', this.#onClose);
    this.#clear();
    // The error listener stays: an error of the connection would otherwise end the process.
  }

  get here(): Uint8Array | undefined {
    return this.#chunks[this.#head];
  }

  get ended(): boolean {
    // A failed body is not at its end: more() throws the failure.
    return this.#failure === undefined && this.#ended && this.#head === this.#chunks.length;
  }

  /** Resolves when bytes are available or the body has ended. @throws Error that ended the reading */
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
