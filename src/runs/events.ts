import { stringify } from '../wire/json-reply.ts';
import type { RunChanges } from './changes.ts';
import { judge } from './curve.ts';
import type { RunStore } from './store.ts';
import { wirePoint, wireSummary } from './wire.ts';

/** How often something is sent where nothing changes, in milliseconds: proxies close what is silent. */
const HEARTBEAT_MS = 15_000;

/** Steps that are read at a time. */
const PAGE = 500;

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
    let metadata = '';
    while (!signal.aborted) {
      const summary = await store.run(run);
      if (summary === undefined) {
        yield 'event: deleted\ndata: {}\n\n';
        return;
      }
      const described = JSON.stringify([summary.labels, summary.expectedRanks]);
      if (metadata !== '' && described !== metadata) yield event('run', wireSummary(summary));
      metadata = described;
      for (let page = PAGE; page === PAGE;) {
        const steps = await store.changedSince(run, after, PAGE);
        for (const step of steps) {
          const [point] = await judge(store, run, [step]);
          yield event('step', wirePoint(point!), step.sequence);
          after = step.sequence;
        }
        page = steps.length;
      }
      if (!(await changed.wait(HEARTBEAT_MS, signal))) yield ': nothing new\n\n';
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
        const timer = setTimeout(resolve, milliseconds);
        this.#wake = () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', this.#wake);
          resolve();
        };
        signal.addEventListener('abort', this.#wake, { once: true });
      });
    }
    const wasSet = this.#isSet;
    this.#isSet = false;
    return wasSet || signal.aborted;
  }
}
