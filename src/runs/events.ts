import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { stringify } from '../wire/json-reply.ts';
import type { RunChanges } from './changes.ts';
import type { RunStore } from './store.ts';
import { wirePoint, wireSummary } from './wire.ts';

/** How often something is sent where nothing changes, in milliseconds: proxies close what is silent. */
const HEARTBEAT_MS = 15_000;

/** Steps that are read at a time. */
const PAGE = 200;

/** How long changes are gathered before they are told, in milliseconds. */
const GATHER_MS = 50;

/**
 * What changes in a run, as server-sent events (WHATWG HTML, 9.2). Steps carry the sequence number of their change as id, so
 * that a client goes on where it was: no events are kept, only what the steps are now.
 * @param after the sequence number of what was seen last
 */
export async function* runEvents(
  store: RunStore,
  changes: RunChanges,
  run: string,
  after: number,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const changed = new Signal();
  const unsubscribe = changes.subscribe(run, () => changed.set());
  try {
    // The head goes out with the first bytes, and a client that resumes needs an id to resume from.
    yield `retry: 1000\nid: ${after}\n\n`;
    let described: string | undefined;
    while (!signal.aborted) {
      const metadata = await store.metadata(run);
      if (metadata === undefined) {
        yield 'event: deleted\ndata: {}\n\n';
        return;
      }
      const text = JSON.stringify(metadata);
      const summary = described === undefined || described === text ? undefined : await store.run(run);
      if (summary !== undefined) yield event('run', wireSummary(summary));
      described = text;
      for (let page = PAGE; page === PAGE && !signal.aborted;) {
        const steps = await store.changedSince(run, after, PAGE);
        for (const step of steps) yield event('step', wirePoint(step), step.sequence);
        after = steps.at(-1)?.sequence ?? after;
        page = steps.length;
        // The store answers at once, and others have their turn too.
        await nextTurn();
      }
      if (!(await changed.wait(HEARTBEAT_MS, signal))) yield ': nothing new\n\n';
      // What else comes in a moment goes along: a step changes with each of its ranks.
      else await sleep(GATHER_MS, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    unsubscribe();
  }
}

function event(name: string, data: object, id?: number): string {
  return `event: ${name}\n${id === undefined ? '' : `id: ${id}\n`}data: ${stringify(data)}\n\n`;
}

/** Something that was said, and is waited for by one. */
class Signal {
  #isSet = false;
  #wake = (): void => undefined;

  set(): void {
    this.#isSet = true;
    this.#wake();
  }

  /** @returns whether it was set, and did not time out */
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
