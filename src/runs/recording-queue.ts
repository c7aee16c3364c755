import { LossmeterError } from '../errors.ts';
import { tracing } from '../tracing.ts';
import type { SpanPlace } from '../tracing.ts';
import { Drain } from './drain.ts';
import type { KeyedRecording, Outcome } from './record.ts';
import type { RecordOutcome } from './recording.ts';
import { MOST_RECORDINGS } from './store.ts';

/** Most calls that wait for their transaction, and most waiting recordings of all calls. */
const MOST_CALLS = 1024;
const MOST_WAITING = 16_384;

/** A call whose recordings wait or are being written. */
interface Call {
  recordings: readonly KeyedRecording[];
  /** Outcomes so far, in the order of the recordings. */
  outcomes: (Outcome | undefined)[];
  left: number;
  /** Span of the request, where it is traced. */
  place: SpanPlace | undefined;
  resolve: (outcomes: Outcome[]) => void;
  reject: (error: unknown) => void;
}

/** A recording of a call. */
interface Waiting {
  call: Call;
  /** Its index among the recordings of the call. */
  at: number;
}

/** Number of calls whose first recording is among these. */
const callsIn = (some: readonly Waiting[]): number => some.filter(({ at }) => at === 0).length;

/**
 * Recordings in the order of arrival. Recordings that arrive during a transaction share the next transaction and its
 * wait for the disk. Each has its own outcome.
 */
export class RecordingQueue {
  readonly #write: (recordings: readonly KeyedRecording[]) => Promise<RecordOutcome[]>;
  #waiting: Waiting[] = [];
  #calls = 0;
  readonly #drain = new Drain(() => this.#writeAll());

  /** @param write writes recordings in one transaction; its results are durable */
  constructor(write: (recordings: readonly KeyedRecording[]) => Promise<RecordOutcome[]>) {
    this.#write = write;
  }

  /** Resolves when all are durable. @throws LossmeterError store_unavailable when too many wait */
  async record(recordings: readonly KeyedRecording[]): Promise<Outcome[]> {
    if (recordings.length === 0) return [];
    if (this.#calls >= MOST_CALLS || this.#waiting.length + recordings.length > MOST_WAITING) {
      const detail = `${this.#waiting.length} recordings wait for the disk, the maximum of this service`;
      throw new LossmeterError('store_unavailable', detail);
    }
    return new Promise((resolve, reject) => {
      const outcomes = Array.from<undefined>({ length: recordings.length });
      const place = tracing.tracer?.here();
      const call: Call = { recordings, outcomes, left: recordings.length, place, resolve, reject };
      for (const at of recordings.keys()) this.#waiting.push({ call, at });
      this.#calls++;
      this.#drain.request();
    });
  }

  /** Resolves when no recording waits. */
  async settled(): Promise<void> {
    await this.#drain.settled();
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const some = this.#waiting.splice(0, MOST_RECORDINGS);
      this.#calls -= callsIn(some);
      try {
        const outcomes = await this.#writeTogether(some);
        for (const [k, one] of some.entries()) this.#settle(one, outcomes[k]!);
      } catch (error) {
        // Pending recordings fail too: they would wait for the same lock or disk again.
        for (const { call } of [...some, ...this.#waiting.splice(0)]) call.reject(error);
        this.#calls = 0;
      }
    }
  }

  #settle(one: Waiting, result: RecordOutcome): void {
    const { call, at } = one;
    if ('failure' in result) {
      call.reject(result.failure);
    } else if ('outcome' in result) {
      call.outcomes[at] = result.outcome;
      if (--call.left === 0) call.resolve(call.outcomes as Outcome[]);
    } else {
      // Goes to the end of the queue: a trainer that resumes before millions of steps must not delay others.
      this.#waiting.push(one);
      this.#calls += callsIn([one]);
    }
  }

  /** Writes recordings of several requests: their traces share the span. */
  #writeTogether(some: readonly Waiting[]): Promise<RecordOutcome[]> {
    const write = (): Promise<RecordOutcome[]> => this.#write(some.map(({ call, at }) => call.recordings[at]!));
    if (tracing.tracer === undefined) return write();
    const places = [...new Set(some.map(({ call }) => call))].map(({ place }) => place);
    return tracing.tracer.shared('transaction', places, { 'lossmeter.recordings': some.length }, write);
  }
}
