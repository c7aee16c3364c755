import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { free } from '../../tensor/memory.ts';

/** Limits of the bytes and milliseconds for which a body is read after its answer. */
const MAX_DISCARDED_BYTES = 2 ** 30;
export const MAX_DISCARDING_MS = 30_000;

/** Milliseconds that bodies wait for the current one. A fast client has sent its rest by then; a slow one blocks no longer. */
export const PATIENCE_MS = 1000;

/** Largest number of bodies that wait to be read. Beyond it, the connection of the oldest is destroyed. */
export const MAX_WAITING = 64;

/**
 * Reads and discards the rest of answered bodies, one body after another. Reading all at once would slow down admitted
 * requests. Meanwhile the bytes stay in the buffers of the operating system, which applies back-pressure to the senders. Few
 * bodies get here: a small body is already complete, and a client that waits for 100-continue sends none.
 */
export class Discards {
  readonly #waiting = new Set<IncomingMessage>();
  /** Body that the others wait for. */
  #current: IncomingMessage | undefined;
  /** Connections that are watched, which may have several bodies. */
  readonly #connections = new WeakSet<Socket>();

  add(body: IncomingMessage): void {
    // Node.js drains a body that was never read. A read of 0 bytes prevents this.
    body.pause();
    body.read(0);
    this.#watch(body.socket);
    this.#waiting.add(body);
    body.once('close', () => this.#waiting.delete(body));
    if (this.#waiting.size > MAX_WAITING) {
      const [oldest] = this.#waiting;
      this.#waiting.delete(oldest!);
      oldest!.destroy();
    }
    this.#next();
  }

  /**
   * Destroys the bodies of a connection when it is closed. Node.js does so only until the answer is sent. It does not notice the
   * close before a body is read of which it has buffered as much as it may, 64 KiB.
   */
  #watch(connection: Socket): void {
    if (this.#connections.has(connection)) return;
    this.#connections.add(connection);
    connection.once('close', () => {
      for (const body of [this.#current, ...this.#waiting]) if (body?.socket === connection) body.destroy();
    });
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

/** Reads and discards a body up to the limits. */
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
