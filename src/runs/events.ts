import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { Turns } from '../evaluation/turns.ts';
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

/**
 * The changes of runs as server-sent events (WHATWG HTML, 9.2). Steps carry the sequence number of their change as id, so
 * that a client goes on where it was: no events are kept, only the steps as they are now.
 *
 * Streams that are at the same place share one read and one text, until the run changes.
 */
export class RunEvents {
  readonly #store: RunStore;
  readonly #pages: Pages;
  readonly #changes: RunChanges;
  readonly #turns = new Turns();
  readonly #shared = new Map<string, { run: string; answer: Promise<unknown> }>();

  constructor({ store, pages }: { store: RunStore; pages: Pages }, changes: RunChanges) {
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
      // The head goes out with the first bytes, and a client that resumes needs an id to resume from.
      yield `retry: 1000\nid: ${after}\n\n`;
      let described: string | undefined;
      while (!signal.aborted) {
        const metadata = await this.#share(run, 'metadata', async () =>
          JSON.stringify(await this.#store.metadata(run)),
        );
        if (metadata === undefined) {
          yield 'event: deleted\ndata: {}\n\n';
          return;
        }
        if (described !== undefined && described !== metadata) {
          yield await this.#share(run, 'summary', () => this.#summary(run));
        }
        described = metadata;
        for (let isFull = true; isFull && !signal.aborted;) {
          const from = after;
          const page = await this.#share(run, `after ${from}`, () => this.#pages.events(run, from));
          if (page.text.length > 0) yield page.text;
          after = page.last ?? after;
          ({ isFull } = page);
          // A shared page is there at once: of many streams some go on in each turn, and other connections have theirs.
          await nextTurn();
          await this.#turns.take();
        }
        if (!(await changed.wait(HEARTBEAT_MS, signal))) yield ': nothing new\n\n';
        // More changes of a moment go along: a step changes with each of its ranks.
        else await sleep(GATHER_MS, undefined, { signal }).catch(() => undefined);
      }
    } finally {
      unsubscribe();
    }
  }

  async #summary(run: string): Promise<string> {
    const summary = await this.#store.run(run);
    return summary === undefined ? '' : formatEvent('run', wireSummary(summary));
  }

  /** An answer of the store that streams of a run share while nothing of it changes. */
  #share<T>(run: string, what: string, read: () => Promise<T>): Promise<T> {
    const key = JSON.stringify([run, what]);
    const known = this.#shared.get(key);
    if (known !== undefined) return known.answer as Promise<T>;
    const answer = read();
    this.#shared.set(key, { run, answer });
    // A failure is not shared with those who come later.
    answer.catch(() => {
      if (this.#shared.get(key)?.answer === answer) this.#shared.delete(key);
    });
    if (this.#shared.size > MOST_SHARED) this.#shared.delete(this.#shared.keys().next().value!);
    return answer;
  }
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
