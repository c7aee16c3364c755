import { setTimeout as delay } from 'node:timers/promises';
import type { Readable } from 'node:stream';
import { LossmeterError } from '../../errors.ts';
import type { TaskQueue } from '../../task-queue.ts';
import { free } from '../../tensor/memory.ts';
import type { ObjectName } from './object-name.ts';
import type { S3 } from './s3-client.ts';
import type { TurnBudget } from './turn-budget.ts';
import { Interruption, explainStorageError } from './storage-error.ts';

/** Maximum number of attempts to read the body of a range. Each attempt continues where the previous one ended. */
const MAX_ATTEMPTS = 4;

/** Milliseconds before the second attempt; they double from attempt to attempt. */
const RETRY_MS = 100;

/** Minimum rate of a body. A slower body is cut off, and another request reads the rest. */
const MIN_BYTES_PER_SECOND = 2 ** 16;

/** State of an object: its size, and the entity tag that every later read requires. */
interface ObjectState {
  readonly etag: string;
  readonly size: number;
}

/** Resources of a process that its objects share. */
export interface ReaderMeans {
  readonly load: () => Promise<S3>;
  /** Limits the number of concurrent requests. */
  readonly queue: TaskQueue;
  readonly turns: TurnBudget;
  readonly stallSeconds: number;
  /** Called with the number of received bytes of a body, and with the number of further attempts at a request. */
  readonly onBytes: (bytes: number) => void;
  readonly onRetry: (attempts: number) => void;
}

/** Reads ranges of one state of an object. */
export class ObjectReader {
  readonly #object: ObjectName;
  readonly #name: string;
  readonly #means: ReaderMeans;
  readonly #cancelling = new AbortController();
  #state: ObjectState | undefined;

  /** @param name name of the object in messages */
  constructor(object: ObjectName, name: string, means: ReaderMeans) {
    this.#object = object;
    this.#name = name;
    this.#means = means;
  }

  /**
   * Reads the first bytes, and fixes the state that later reads require.
   * @returns the bytes, fewer than `most` if the object is shorter, and the size of the object
   */
  async readFirst(most: number): Promise<{ bytes: Uint8Array; size: number }> {
    const bytes = new Uint8Array(most);
    const length = await this.#fetch(bytes, 0).catch((error: unknown) => {
      // An empty object has no first byte.
      if (isRangeError(error)) return 0;
      throw this.#explain(error);
    });
    return { bytes: bytes.subarray(0, length), size: this.#state?.size ?? 0 };
  }

  /** Reads a range: see RemoteSource. */
  async readInto(target: Uint8Array, position: number): Promise<void> {
    try {
      await this.#fetch(target, position);
    } catch (error) {
      throw this.#explain(error);
    }
  }

  /** Makes pending and later reads fail. */
  cancel(): void {
    this.#cancelling.abort(new LossmeterError('client_closed', 'the client left while a file was read'));
  }

  /** Reads a range, or its part within the object. @returns the length of that part */
  async #fetch(target: Uint8Array, position: number): Promise<number> {
    const { load, queue, onRetry } = this.#means;
    const { signal } = this.#cancelling;
    const s3 = await load();
    const range = new RangeBody(target, position);
    for (let attempt = 1; !range.isWhole; attempt++) {
      try {
        await queue.run(
          () => this.#attempt(s3, range),
          () => signal.aborted,
        );
      } catch (error) {
        signal.throwIfAborted();
        if (attempt === MAX_ATTEMPTS || !(error instanceof Interruption)) throw error;
        onRetry(1);
        await delay(RETRY_MS * 2 ** (attempt - 1));
      }
    }
    return range.length;
  }

  /** Makes one request for the rest of a range. */
  async #attempt({ client, GetObject }: S3, range: RangeBody): Promise<void> {
    const { stallSeconds, onBytes, onRetry, turns } = this.#means;
    const { bucket, key } = this.#object;
    const { signal } = this.#cancelling;
    const known = this.#state;
    const command = new GetObject({
      Bucket: bucket,
      Key: key,
      Range: range.header,
      ...(known && { IfMatch: known.etag }),
    });
    const { Body, ETag, ContentRange, $metadata } = await client.send(command, { abortSignal: signal });
    onRetry(($metadata.attempts ?? 1) - 1);
    const body = Body as Readable;
    try {
      const state = this.#requireState(ETag, range.begin(ContentRange));
      this.#state = state;
      await range.take(body, { stallSeconds, signal, onBytes, turns });
    } finally {
      // A body that is not read to its end would keep its connection busy.
      body.destroy();
    }
  }

  /**
   * Checks that a response has the same state as the earlier ones, because a server may not support If-Match.
   * @throws LossmeterError file_changed, file_unreadable
   */
  #requireState(etag: string | undefined, size: number | undefined): ObjectState {
    const known = this.#state;
    if (etag === undefined || size === undefined) {
      const what = etag === undefined ? 'entity tag' : 'range';
      const detail = `${this.#name} cannot be read: the object storage answers without ${what}`;
      throw new LossmeterError('file_unreadable', detail);
    }
    if (known === undefined || (known.etag === etag && known.size === size)) return { etag, size };
    throw new LossmeterError('file_changed', `${this.#name} was overwritten while it was read`);
  }

  #explain(error: unknown): unknown {
    return explainStorageError(this.#name, error, this.#state !== undefined);
  }
}

function isRangeError(error: unknown): boolean {
  return (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode === 416;
}

/** Options of taking a body. */
interface TakeOptions {
  stallSeconds: number;
  signal: AbortSignal;
  turns: TurnBudget;
  onBytes: (bytes: number) => void;
}

/** Received bytes of a range, from one request or several. */
class RangeBody {
  readonly #target: Uint8Array;
  readonly #position: number;
  /** Length of the part of the range that the object has. */
  length: number;
  #filled = 0;

  constructor(target: Uint8Array, position: number) {
    this.#target = target;
    this.#position = position;
    this.length = target.byteLength;
  }

  get isWhole(): boolean {
    return this.#filled === this.length;
  }

  /** Value of the header Range for the missing bytes. */
  get header(): string {
    return `bytes=${this.#position + this.#filled}-${this.#position + this.length - 1}`;
  }

  /**
   * Reads the header Content-Range of a response.
   * @returns the size of the object; undefined when the response has another range than the requested one
   */
  begin(contentRange: string | undefined): number | undefined {
    const [, first, last, size] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(contentRange ?? '') ?? [];
    const end = Math.min(this.#position + this.length, Number(size));
    if (Number(first) !== this.#position + this.#filled || Number(last) !== end - 1) return undefined;
    this.length = end - this.#position;
    return Number(size);
  }

  /** Reads a body. @throws Interruption when it is too slow, ends early, or is longer than the range */
  async take(body: Readable, { stallSeconds, signal, turns, onBytes }: TakeOptions): Promise<void> {
    const cancel = (): void => void body.destroy(signal.reason as Error);
    signal.addEventListener('abort', cancel);
    let judged = this.#filled;
    const judging = setInterval(() => {
      if (this.#filled - judged < MIN_BYTES_PER_SECOND * stallSeconds)
        body.destroy(new Interruption('it sends too slowly'));
      judged = this.#filled;
    }, stallSeconds * 1000);
    try {
      for await (const chunk of body as AsyncIterable<Buffer>) {
        const { byteLength } = chunk;
        onBytes(byteLength);
        if (this.#filled + byteLength > this.length) throw new Interruption('it sends more than the range');
        this.#target.set(chunk, this.#filled);
        this.#filled += byteLength;
        free(chunk);
        const nextTurn = turns.spend(byteLength);
        if (nextTurn !== undefined) await nextTurn;
      }
    } catch (cause) {
      throw cause instanceof Interruption ? cause : new Interruption('its response broke off', { cause });
    } finally {
      clearInterval(judging);
      signal.removeEventListener('abort', cancel);
    }
    if (!this.isWhole) throw new Interruption('its response ended early');
  }
}
