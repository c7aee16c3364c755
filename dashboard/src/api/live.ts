import { EventStreamParser } from '../../../clients/typescript/src/event-stream-parser.ts';
import type { ServerEvent } from '../../../clients/typescript/src/event-stream-parser.ts';
import { mayPass, request } from './request.ts';

/** Silence after which a connection counts as dead, in milliseconds. The service sends a heartbeat every 15 s. */
const SILENCE_MS = 45_000;

/** Milliseconds before the next attempt, doubled after each failure. */
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;

export interface Listener {
  /** Called when a connection is open. `missed` is true until the first event: changes may be missing. */
  onOpen(missed: boolean): void;
  onEvent(event: ServerEvent): void;
  onLost(): void;
}

/**
 * Follows server-sent events until it is aborted. It reconnects after each lost connection, and resumes after the last
 * event.
 * @throws ProblemError when the run is unknown, or the key may not read it
 */
export async function follow(path: string, listener: Listener, signal: AbortSignal): Promise<void> {
  let lastId = '';
  for (let failures = 0; !signal.aborted; failures++) {
    const watchdog = new Watchdog(signal);
    try {
      const headers = { accept: 'text/event-stream', ...(lastId !== '' && { 'last-event-id': lastId }) };
      const watch = (send: () => Promise<Response>): Promise<Response> => watchdog.over(send);
      const { body } = await request(path, { headers, cache: 'no-store', signal: watchdog.signal, watch });
      watchdog.reset();
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
  // A reader, not `for await`: Safari cannot iterate over a stream.
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    watchdog.reset();
    onPiece(decoder.decode(value, { stream: true }));
  }
}

/** Aborts a silent connection, such as after a laptop has slept or a proxy has dropped the connection. */
class Watchdog {
  readonly #controller = new AbortController();
  #timer = 0;
  readonly signal: AbortSignal;

  constructor(signal: AbortSignal) {
    this.signal = AbortSignal.any([signal, this.#controller.signal]);
  }

  /** Watches an attempt to connect. */
  async over<Result>(attempt: () => Promise<Result>): Promise<Result> {
    this.reset();
    try {
      return await attempt();
    } finally {
      this.stop();
    }
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
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener('abort', end);
  });
}
