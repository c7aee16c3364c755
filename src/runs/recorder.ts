import { LossmeterError } from '../errors.ts';
import type { Answered } from '../pipeline/answered.ts';
import type { RequestBody } from '../pipeline/body.ts';
import type { Evaluator } from '../pipeline/evaluator.ts';
import { recordingOf } from '../evaluations/cross-entropy/recording.ts';
import type { RunBatch } from '../evaluations/cross-entropy/recording.ts';
import { tracing } from '../tracing.ts';
import type { SpanAttributes } from '../tracing.ts';
import type { RunChanges } from './changes.ts';
import { keepDiagnostics } from './kept-diagnostics.ts';
import type { BatchKey, Outcome } from './record.ts';
import type { RunStore } from './store.ts';

/** Largest body, in bytes, that is evaluated without first checking the attempts before it. */
const SHORT_BYTES = 2 ** 20;

/** An evaluation that is recorded. */
export interface Recorded {
  evaluation: RunBatch['evaluation'];
  outcome: 'created' | 'repeated';
}

/** Records micro-batches of runs: evaluates them, or takes the numerator and denominator from the request. */
export class Recorder {
  readonly #evaluator: Evaluator;
  readonly #store: RunStore;
  readonly #changes: RunChanges;
  readonly #watch: (outcome: Outcome, milliseconds?: number) => void;

  /**
   * @param watch called after each recording with its outcome and, when the store was called, the time that the store
   *   took
   */
  constructor(
    evaluator: Evaluator,
    store: RunStore,
    changes: RunChanges,
    watch: (outcome: Outcome, milliseconds?: number) => void = () => undefined,
  ) {
    this.#evaluator = evaluator;
    this.#store = store;
    this.#changes = changes;
    this.#watch = watch;
  }

  /**
   * Records a micro-batch durably. Idempotent: repeated content has the result of the first recording.
   * @throws LossmeterError conflict, superseded, and errors of the evaluation
   */
  async record(key: BatchKey, body: RequestBody): Promise<Answered<Recorded>> {
    await this.#requireCurrent(key, body);
    const evaluated = await this.#evaluator.evaluate(recordingOf(key), body);
    try {
      const { evaluation, digest } = evaluated.answer;
      const diagnostics = keepDiagnostics(evaluation.diagnostics);
      const { numerator, denominator } = evaluation;
      const outcome = await this.#keep(key, { numerator, denominator, diagnostics, digest });
      return { ...evaluated, answer: { evaluation, outcome } };
    } catch (error) {
      evaluated.release();
      throw error;
    }
  }

  /** Rejects a superseded large body before reading it. Reading a small body takes less time than this check. */
  async #requireCurrent(key: BatchKey, { contentLength = Infinity }: RequestBody): Promise<void> {
    if (contentLength <= SHORT_BYTES) return;
    const attempt = await this.#store.attemptOf(key.run, key.step);
    if (attempt === undefined || attempt <= key.attempt) return;
    this.#watch('superseded');
    throw superseded(key);
  }

  async #keep(key: BatchKey, recording: Parameters<RunStore['record']>[1]): Promise<Recorded['outcome']> {
    const started = performance.now();
    const outcome = await this.#changes.about(key.run, () => this.#write(key, recording));
    this.#watch(outcome, performance.now() - started);
    if (outcome === 'superseded') throw superseded(key);
    if (outcome === 'unexpected') {
      throw new LossmeterError('rank_unexpected', `${nameOf(key)}: the run has fewer ranks, as expected_ranks says`);
    }
    if (outcome === 'conflict') throw conflict(key);
    // An earlier attempt may have been recorded without a reply to the client.
    this.#changes.notify(key.run);
    return outcome;
  }

  #write(key: BatchKey, recording: Parameters<RunStore['record']>[1]): Promise<Outcome> {
    const write = (): Promise<Outcome> => this.#store.record(key, recording);
    const describe = (outcome: Outcome): SpanAttributes => ({ 'lossmeter.outcome': outcome });
    return tracing.tracer === undefined ? write() : tracing.tracer.span('record', write, describe);
  }
}

const nameOf = ({ run, step, rank, microBatch, attempt }: BatchKey): string =>
  `micro-batch ${microBatch} of rank ${rank} at step ${step} of ${run}, attempt ${attempt}`;

function conflict(key: BatchKey): LossmeterError {
  const detail = `${nameOf(key)}, is recorded with other content; a trainer that resumes raises attempt`;
  return new LossmeterError('conflict', detail);
}

function superseded(key: BatchKey): LossmeterError {
  return new LossmeterError('superseded', `${nameOf(key)}: a later attempt is recorded at that step, or before it`);
}
