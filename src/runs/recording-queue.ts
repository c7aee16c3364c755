import { LossmeterError } from '../errors.ts';
import { tracing } from '../tracing.ts';
import type { SpanPlace } from '../tracing.ts';
import { Drain } from './drain.ts';
import type { BatchKey, Outcome, Recording } from './record.ts';
import type { KeyedRecording, RecordOutcome } from './recording.ts';

/** Most recordings of one transaction. */
const MOST_AT_ONCE = 128;

/** Most recordings that wait for a transaction. */
const MOST_WAITING = 1024;

interface Waiting extends KeyedRecording {
  /** Span of the request, where it is traced. */
  place: SpanPlace | undefined;
  resolve: (outcome: Outcome) => void;
  reject: (error: unknown) => void;
}

/**
 * Recordings in the order of arrival. Recordings that arrive during a transaction share the next transaction and its
 * wait for the disk. Each has its own outcome.
 */
export class RecordingQueue {
  readonly #write: (recordings: readonly KeyedRecording[]) => Promise<RecordOutcome[]>;
  readonly #waiting: Waiting[] = [];
  readonly #drain = new Drain(() => this.#writeAll());

  /** @param write writes recordings in one transaction; its results are durable */
  constructor(write: (recordings: readonly KeyedRecording[]) => Promise<RecordOutcome[]>) {
    this.#write = write;
  }

  /** Resolves when the recording is durable. @throws LossmeterError store_unavailable when too many wait */
  record(key: BatchKey, recording: Recording): Promise<Outcome> {
    if (this.#waiting.length >= MOST_WAITING) {
      const detail = `${this.#waiting.length} recordings wait for the disk, the most that this service lets wait`;
      return Promise.reject(new LossmeterError('store_unavailable', detail));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ key, recording, place: tracing.tracer?.here(), resolve, reject });
      this.#drain.request();
    });
  }

  /** Resolves when no recording waits. */
  async settled(): Promise<void> {
    await this.#drain.settled();
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const some = this.#waiting.splice(0, MOST_AT_ONCE);
      try {
        const outcomes = await this.#writeTogether(some);
        for (const [k, one] of some.entries()) {
          const result = outcomes[k]!;
          if ('failure' in result) one.reject(result.failure);
          else if ('outcome' in result) one.resolve(result.outcome);
          // Goes to the end of the queue: a trainer that resumes before millions of steps must not delay others.
          else this.#waiting.push(one);
        }
      } catch (error) {
        // Pending recordings fail too: they would wait for the same lock or disk again.
        for (const { reject } of [...some, ...this.#waiting.splice(0)]) reject(error);
      }
    }
  }
  /** Writes recordings of several requests: their traces share the span. */
  #writeTogether(some: readonly Waiting[]): Promise<RecordOutcome[]> {
    const write = (): Promise<RecordOutcome[]> => this.#write(some.map(({ key, recording }) => ({ key, recording })));
    if (tracing.tracer === undefined) return write();
    const places = some.map(({ place }) => place);
    return tracing.tracer.shared('transaction', places, { 'lossmeter.recordings': some.length }, write);
  }
}
