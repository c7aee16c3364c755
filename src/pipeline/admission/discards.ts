import type { IncomingMessage } from 'node:http';
import { free } from '../../tensor/memory.ts';

/** Bytes and milliseconds of a body that are still read after its answer. */
const MAX_DISCARDED_BYTES = 2 ** 30;
const MAX_DISCARDING_MS = 30_000;

/** Milliseconds that other bodies wait for one. A fast client has sent its rest by then; a slow one no longer blocks others. */
const PATIENCE_MS = 1000;

/** Bodies that wait to be read; when more come, the oldest is not read any more. */
const MAX_WAITING = 64;

/**
 * The rest of bodies that were answered: read, one after another, and thrown away. Reading them all at once would take the
 * time of those who are not refused. Meanwhile they stand in the buffers of the kernel, where they cost nothing, and hold
 * their senders back. Most were answered before they had sent much; what is small, or waits for 100-continue, is complete
 * anyway.
 */
export class Discards {
  readonly #waiting = new Set<IncomingMessage>();
  /** The body that the others wait for. */
  #current: IncomingMessage | undefined;

  add(body: IncomingMessage): void {
    // Node would read on by itself were the body never read; reading nothing prevents that.
    body.pause();
    body.read(0);
    this.#waiting.add(body);
    body.once('close', () => this.#waiting.delete(body));
    if (this.#waiting.size > MAX_WAITING) {
      const [oldest] = this.#waiting;
      oldest!.destroy();
    }
    this.#next();
  }

  #next(): void {
    const [body] = this.#waiting;
    if (this.#current !== undefined || body === undefined) return;
    this.#waiting.delete(body);
    this.#current = body;
    const goOn = (): void => {
      clearTimeout(timer);
      if (this.#current !== body) return;
      this.#current = undefined;
      this.#next();
    };
    const timer = setTimeout(goOn, PATIENCE_MS);
    body.once('close', goOn);
    discard(body);
  }
}

/** Reads a body and throws it away, up to a bound. */
function discard(body: IncomingMessage): void {
  let discarded = 0;
  const cut = (): void => {
    body.destroy();
  };
  const timer = setTimeout(cut, MAX_DISCARDING_MS);
  body.on('data', (chunk: Buffer) => {
    discarded += chunk.byteLength;
    if (discarded > MAX_DISCARDED_BYTES) cut();
    free(chunk);
  });
  body.once('close', () => clearTimeout(timer));
  body.resume();
}
