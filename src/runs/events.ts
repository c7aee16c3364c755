import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { Turns } from '../pipeline/admission/turns.ts';
import type { Pages } from './answers.ts';
import type { RunChanges } from './changes.ts';
import { formatEvent } from './pages.ts';
import type { RunStore } from './store.ts';
import { wireSummary } from './wire.ts';

/** Milliseconds between two signs of life where nothing changes: proxies close silent connections. */
const HEARTBEAT_MS = 15_000;

/** Milliseconds for which changes are gathered before they are sent. */
const GATHER_MS = 50;

/** Answers of the store that streams share. */
const MOST_SHARED = 64;

/** The last event of a run. */
const DELETED = 'event: deleted\ndata: {}\n\n';

/**
 * The changes of runs as server-sent events (WHATWG HTML, 9.2). Steps carry the sequence number of their change as id, so
 * that a client goes on where it was: no events are kept, only the steps as they are now.
 *
 * Streams that are at the same place share one read and one text, until the run changes or the next heartbeat: each
 * heartbeat reads anew, because a change can be durable and not announced.
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
   * The events of a run, without end.
   * @param after sequence number of the last change that the client has seen
   */
  async *follow(run: string, after: number, signal: AbortSignal): AsyncGenerator<string | Uint8Array, void> {
    const changed = new Signal();
    const unsubscribe = this.#changes.subscribe(run, () => changed.set());
    try {
      // Before the head: a client that has it expects to be told of all that changes from then on.
      let known = await this.#share(run, 'metadata', () => this.#describe(run));
      // The head goes out with the first bytes, and a client that resumes needs an id to resume from.
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
          // A shared page is there at once: of many streams some go on in each turn, and other connections have theirs.
          await nextTurn();
          await this.#turns.take();
        }
        if (!(await changed.wait(this.#heartbeatMs, signal))) yield ': nothing new\n\n';
        // More changes of a moment go along: a step changes with each of its ranks.
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

  /** An answer of the store that streams of a run share while nothing of it changes. */
  #share<T>(run: string, what: string, read: () => Promise<T>): Promise<T> {
    const key = JSON.stringify([run, what]);
    const known = this.#shared.get(key);
    // Streams whose heartbeats come together share what the first of them reads.
    const isFresh = known !== undefined && performance.now() - known.readAt < this.#heartbeatMs / 2;
    if (isFresh) return known.answer as Promise<T>;
    const answer = read();
    this.#shared.set(key, { run, readAt: performance.now(), answer });
    // Later streams do not share a failure.
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

/** A flag that one reader waits for. */
class Signal {
  #isSet = false;
  #wake = (): void => undefined;

  set(): void {
    this.#isSet = true;
    this.#wake();
  }

  /** @returns true when it was set, false after the time */
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
