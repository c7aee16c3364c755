import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { Turns } from '../pipeline/admission/turns.ts';
import type { Pages } from './answers.ts';
import type { RunChanges } from './changes.ts';
import { formatEvent } from './pages.ts';
import type { RunStore } from './store.ts';
import { wireSummary } from './wire.ts';

/** Milliseconds between heartbeats of an idle stream: proxies close silent connections. */
const HEARTBEAT_MS = 15_000;

/** Milliseconds for which changes are gathered before one event is sent. */
const GATHER_MS = 50;

/** Most store replies that are shared between streams. */
const MOST_SHARED = 64;

/** Last event of a stream, after the run was removed. */
const DELETED = 'event: deleted\ndata: {}\n\n';

/**
 * Sends the changes of runs as server-sent events (WHATWG HTML, 9.2). The id of a step is the sequence number of its
 * last change, so a client can resume there. No events are stored: a resumed stream gets the current steps. Streams at
 * the same place share one read and one text until the run changes or the next heartbeat. Each heartbeat reads again,
 * because a change can be durable without having been announced.
 */
export class RunEvents {
  readonly #store: RunStore;
  readonly #pages: Pages;
  readonly #changes: RunChanges;
  readonly #turns = new Turns();
  readonly #heartbeatMs: number;
  readonly #shared = new Map<string, { run: string; readAt: number; answer: Promise<unknown> }>();

  constructor(
    { store, pages }: { store: RunStore; pages: Pages },
    changes: RunChanges,
    { heartbeatMs = HEARTBEAT_MS }: { heartbeatMs?: number } = {},
  ) {
    this.#heartbeatMs = heartbeatMs;
    this.#store = store;
    this.#pages = pages;
    this.#changes = changes;
    changes.subscribeAll((changed) => {
      for (const [key, { run }] of this.#shared) if (run === changed) this.#shared.delete(key);
    });
  }

  /**
   * Endless stream of a run's events.
   * @param after sequence number of the last change that the client has seen
   */
  async *follow(run: string, after: number, signal: AbortSignal): AsyncGenerator<string | Uint8Array, void> {
    const changed = new Signal();
    const unsubscribe = this.#changes.subscribe(run, () => changed.set());
    try {
      // Subscribes before sending the head: a client with the head expects to receive every later change.
      let known = await this.#share(run, 'metadata', () => this.#describe(run));
      // Sends the head together with the first bytes; a client needs an id to resume from.
      yield `retry: 1000\nid: ${after}\n\n`;
      while (!signal.aborted) {
        const described = await this.#share(run, 'metadata', () => this.#describe(run));
        const id = described?.id;
        if (described === undefined || (known !== undefined && known.id !== id)) {
          yield DELETED;
          return;
        }
        if (known !== undefined && known.metadata !== described.metadata) {
          yield await this.#share(run, 'summary', () => this.#summary(run));
        }
        known = described;
        for (let isFull = true; isFull && !signal.aborted;) {
          const from = after;
          const page = await this.#share(run, `after ${from}`, () => this.#pages.events(run, from));
          if (page.runId !== id) {
            yield DELETED;
            return;
          }
          if (page.text.length > 0) yield page.text;
          after = page.last ?? after;
          ({ isFull } = page);
          // A shared page is available at once. Waiting for a turn of the event loop lets other connections proceed.
          await nextTurn();
          await this.#turns.take();
        }
        if (!(await changed.wait(this.#heartbeatMs, signal))) yield ': nothing new\n\n';
        // Gathers further changes for a moment: a step changes once per rank.
        else await sleep(GATHER_MS, undefined, { signal }).catch(() => undefined);
      }
    } finally {
      unsubscribe();
    }
  }

  async #describe(run: string): Promise<Described | undefined> {
    const id = await this.#store.idOf(run);
    const metadata = await this.#store.metadata(run);
    return id === undefined || metadata === undefined ? undefined : { id, metadata: JSON.stringify(metadata) };
  }

  async #summary(run: string): Promise<string> {
    const summary = await this.#store.run(run);
    return summary === undefined ? '' : formatEvent('run', wireSummary(summary));
  }

  /** Store reply that the streams of a run share until the run changes. */
  #share<T>(run: string, what: string, read: () => Promise<T>): Promise<T> {
    const key = JSON.stringify([run, what]);
    const known = this.#shared.get(key);
    // Streams with simultaneous heartbeats share the first stream's read.
    const isFresh = known !== undefined && performance.now() - known.readAt < this.#heartbeatMs / 2;
    if (isFresh) return known.answer as Promise<T>;
    const answer = read();
    this.#shared.set(key, { run, readAt: performance.now(), answer });
    // A failure is not shared with later streams.
    answer.catch(() => {
      if (this.#shared.get(key)?.answer === answer) this.#shared.delete(key);
    });
    if (this.#shared.size > MOST_SHARED) this.#shared.delete(this.#shared.keys().next().value!);
    return answer;
  }
}

/** Identity and metadata of a run. */
interface Described {
  id: number;
  metadata: string;
}

/** A flag with a single waiting reader. */
class Signal {
  #isSet = false;
  #wake = (): void => undefined;

  set(): void {
    this.#isSet = true;
    this.#wake();
  }

  /** @returns true when the flag was set, false after a timeout */
  async wait(milliseconds: number, signal: AbortSignal): Promise<boolean> {
    if (!this.#isSet && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', wake);
          resolve();
        };
        const timer = setTimeout(wake, milliseconds);
        this.#wake = wake;
        signal.addEventListener('abort', wake, { once: true });
      });
    }
    const wasSet = this.#isSet;
    this.#isSet = false;
    return wasSet || signal.aborted;
  }
}
