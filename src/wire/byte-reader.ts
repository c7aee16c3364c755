import type { Readable } from 'node:stream';
import { LossmeterError } from '../errors.ts';
import { bodyTooLong, clientClosed } from './content-encoding.ts';
import { KIND_BYTES } from './file-kind.ts';
import { free } from './held-bytes.ts';
import type { HeldRuns } from './held-bytes.ts';

/** Bytes, and chunks, that may wait unread before the source is paused: a sender may cut its body into single bytes. */
const HIGH_WATER_BYTES = 1 << 20;
const HIGH_WATER_CHUNKS = 1024;

export interface ReaderOptions {
  /** Says what an error of the stream means. */
  explain?: (cause: Error) => LossmeterError;
  /** Told what has come in all; what it throws ends the reading. */
  check?: (received: number) => void;
  /** Bytes that may wait unread before the source is paused. */
  aheadBytes?: number;
}

/** Stands where a chunk was, so that it can be collected. */
const CONSUMED = new Uint8Array(0);

/**
 * Reads a stream of bytes on demand. Chunks are handed on without copying; when the reader does not keep up the stream
 * is paused, so that TCP holds the sender back. Never destroys the stream: the rest may have to be drained.
 */
export class ByteReader {
  readonly #stream: Readable;
  readonly #maxBytes: number;
  readonly #explain: (cause: Error) => LossmeterError;
  readonly #check: (received: number) => void;
  readonly #aheadBytes: number;
  /** Unread chunks: those from #head on. Taking from the front of an array would cost its length. */
  #chunks: Uint8Array[] = [];
  #head = 0;
  #buffered = 0;
  #received = 0;
  #beginning: Uint8Array = CONSUMED;
  #ended = false;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;

  /** @param maxBytes bound on the whole body */
  constructor(
    stream: Readable,
    maxBytes: number,
    { explain = clientClosed, check = () => undefined, aheadBytes = HIGH_WATER_BYTES }: ReaderOptions = {},
  ) {
    this.#stream = stream;
    this.#maxBytes = maxBytes;
    this.#explain = explain;
    this.#check = check;
    this.#aheadBytes = aheadBytes;
    stream.on('data', this.#onData);
    stream.on('end', this.#onEnd);
    stream.on('error', this.#onError);
    stream.on('close', this.#onClose);
  }

  /** Bytes received so far. */
  get received(): number {
    return this.#received;
  }

  /** The first bytes, by which a file is told that is no request. */
  get beginning(): Uint8Array {
    return this.#beginning;
  }

  /** Whether it waits for bytes to come. */
  get isWaiting(): boolean {
    return this.#wake !== undefined;
  }

  /** Has who reads get an error, and not the rest. */
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

  /** What `peek` would show without waiting; undefined when it would wait, or fail. */
  get here(): Uint8Array | undefined {
    return this.#chunks[this.#head];
  }

  /** Bytes that are here already; undefined at the end of the stream. Consume them with `skip`. */
  async peek(): Promise<Uint8Array | undefined> {
    while (this.#head === this.#chunks.length) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#ended) return undefined;
      await new Promise<void>((wake) => {
        this.#wake = wake;
      });
    }
    return this.#chunks[this.#head];
  }

  /** Consumes bytes of the chunk that `peek` showed. */
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

  /**
   * Hands the next bytes on in the runs in which they arrived. The memory of a run is freed once it is written: `write`
   * copies what it keeps.
   * @throws LossmeterError truncated_body when the stream ends before
   */
  async forward(bytes: number, what: string, write: (run: Uint8Array) => Promise<void> | void): Promise<void> {
    await this.#takeRuns(bytes, what, (run) => {
      const written = write(run);
      if (written === undefined) free(run);
      else return written.then(() => free(run));
    });
  }

  /**
   * Hands the next bytes over to those that are held.
   * @throws LossmeterError truncated_body when the stream ends before
   */
  hold(bytes: number, what: string, held: HeldRuns): Promise<void> {
    return this.#takeRuns(bytes, what, (run) => held.push(run));
  }

  async #takeRuns(bytes: number, what: string, take: (run: Uint8Array) => Promise<void> | void): Promise<void> {
    for (let missing = bytes; missing > 0;) {
      const chunk = this.here ?? (await this.peek());
      if (chunk === undefined) throw truncated(what, bytes, bytes - missing);
      const run = chunk.byteLength > missing ? chunk.subarray(0, missing) : chunk;
      this.skip(run.byteLength);
      missing -= run.byteLength;
      const taken = take(run);
      if (taken !== undefined) await taken;
    }
  }

  /** Reads to the end, and hands every chunk to `take`. */
  async drain(take: (chunk: Uint8Array) => void): Promise<void> {
    for (let chunk = await this.peek(); chunk !== undefined; chunk = await this.peek()) {
      this.skip(chunk.byteLength);
      take(chunk);
    }
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

export function truncated(what: string, expected: number, came: number): LossmeterError {
  return new LossmeterError(
    'truncated_body',
    `the body ends within ${what}: ${expected} bytes were announced, ${came} came`,
  );
}

/** @throws LossmeterError malformed_body when something follows */
export async function requireEnd(reader: ByteReader): Promise<void> {
  const rest = await reader.peek();
  if (rest !== undefined) throw trailing(rest.byteLength);
}

/** @param bytes that came behind the end */
export function trailing(bytes: number): LossmeterError {
  return new LossmeterError('malformed_body', `${bytes} or more bytes follow the end of the request`);
}
