import { setTimeout as sleep } from 'node:timers/promises';
import { formatEvent } from '../runs/pages.ts';
import { isActive } from './job.ts';
import type { Job } from './job.ts';
import type { JobStore } from './store.ts';
import { wireJob } from './wire.ts';

/** Milliseconds between two polls of a job, which other processes change too. The streams of a job share each poll. */
const LOOK_MS = 1000;

/** Number of polls without a change after which a comment is sent, because proxies close silent connections. */
const LOOKS_PER_HEARTBEAT = 15;

/** Last event of a deleted job. */
const DELETED = 'event: deleted\ndata: {}\n\n';

/**
 * Sends the changes of jobs as server-sent events (WHATWG HTML, 9.2). The id of an event is the revision of the job. A
 * stream ends with the job.
 */
export class JobEvents {
  readonly #store: Pick<JobStore, 'job'>;
  readonly #looks = new Map<number, { at: number; job: Promise<Job | undefined> }>();
  readonly #lookMs: number;

  constructor(store: Pick<JobStore, 'job'>, { lookMs = LOOK_MS }: { lookMs?: number } = {}) {
    this.#store = store;
    this.#lookMs = lookMs;
  }

  /**
   * Events of a job until its end.
   * @param after last revision that the client has seen; undefined for none
   */
  async *follow(id: number, after: number | undefined, signal: AbortSignal): AsyncGenerator<string, void> {
    yield 'retry: 1000\n\n';
    let seen = after;
    for (let quiet = 0; !signal.aborted; quiet++) {
      const job = await this.#look(id);
      if (job === undefined) {
        yield DELETED;
        return;
      }
      if (job.revision !== seen) {
        yield formatEvent('job', wireJob(job), job.revision);
        seen = job.revision;
        quiet = 0;
      } else if (quiet > 0 && quiet % LOOKS_PER_HEARTBEAT === 0) {
        yield ': nothing new\n\n';
      }
      if (!isActive(job.state)) return;
      await sleep(this.#lookMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Reads a job, or shares a recent read by another stream. */
  async #look(id: number): Promise<Job | undefined> {
    const known = this.#looks.get(id);
    if (known !== undefined && performance.now() - known.at < this.#lookMs / 2) return known.job;
    const job = this.#store.job(id);
    this.#looks.set(id, { at: performance.now(), job });
    const forget = (): void => {
      if (this.#looks.get(id)?.job === job) this.#looks.delete(id);
    };
    setTimeout(forget, this.#lookMs).unref();
    job.catch(forget);
    return job;
  }
}
