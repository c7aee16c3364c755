import { EventStreamParser } from '../../../clients/typescript/src/event-stream-parser.ts';
import type { ServerEvent } from '../../../clients/typescript/src/event-stream-parser.ts';
import { mayPass, request } from './request.ts';

/** The service sends something every 15 s. A connection on which nothing came for so long is dead, in milliseconds. */
const SILENCE_MS = 45_000;

/** Milliseconds before the next attempt, doubled after each failure. */
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;

export interface Listener {
  /** Called when the connection is open. `missed`: earlier changes may have had no event. */
  onOpen(missed: boolean): void;
  onEvent(event: ServerEvent): void;
  onLost(): void;
}

/**
 * Follows server-sent events until it is aborted, over as many connections as it takes: a new one resumes after the
 * last event of the one before.
 * @throws ProblemError when the run is unknown, or the key may not read it
 */
export async function follow(path: string, listener: Listener, signal: AbortSignal): Promise<void> {
  let lastId = '';
  for (let failures = 0; !signal.aborted; failures++) {
    const watchdog = new Watchdog(signal);
    try {
      const headers = { accept: 'text/event-stream', ...(lastId !== '' && { 'last-event-id': lastId }) };
      const { body } = await request(path, { headers, cache: 'no-store', signal: watchdog.signal });
      listener.onOpen(lastId === '');
      failures = 0;
      const parser = new EventStreamParser();
      await readPieces(body!, watchdog, (piece) => {
        for (const event of parser.push(piece)) listener.onEvent(event);
        lastId = parser.lastId || lastId;
      });
    } catch (error) {
      if (signal.aborted) return;
      if (!mayPass(error)) throw error;
    } finally {
      watchdog.stop();
    }
    listener.onLost();
    await wait(Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** failures), signal);
  }
}

async function readPieces(
  body: ReadableStream<Uint8Array>,
  watchdog: Watchdog,
  onPiece: (text: string) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  // With a reader, and not `for await`: Safari cannot iterate over a stream.
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    watchdog.reset();
    onPiece(decoder.decode(value, { stream: true }));
  }
}

/** Aborts a connection that has gone silent: a laptop that slept, a proxy that forgot. */
class Watchdog {
  readonly #controller = new AbortController();
  #timer = 0;
  readonly signal: AbortSignal;

  constructor(signal: AbortSignal) {
    this.signal = AbortSignal.any([signal, this.#controller.signal]);
  }

  reset(): void {
    this.stop();
    this.#timer = window.setTimeout(() => this.#controller.abort(), SILENCE_MS);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

function wait(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
