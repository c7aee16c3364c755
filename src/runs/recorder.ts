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
import type { BatchKey, KeyedRecording, Outcome } from './record.ts';
import { overQuota } from './quota.ts';
import type { Creator } from './quota.ts';
import { MOST_SERIES } from './scalars.ts';
import type { RunStore } from './store.ts';

/** Largest body, in bytes, that is evaluated without first checking that its attempt is current. */
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
   * @param creator owner of the run when it is new; undefined for none
   * @throws LossmeterError conflict, superseded, quota_exceeded, and errors of the evaluation
   */
  async record(key: BatchKey, body: RequestBody, creator?: Creator): Promise<Answered<Recorded>> {
    await this.#requireCurrent(key, body);
    const evaluated = await this.#evaluator.evaluate(recordingOf(key), body);
    try {
      const { evaluation, digest, labelDigest, device, scalars } = evaluated.answer;
      // Copies the losses: a view would be sent to the thread with its whole buffer.
      const rowLosses = evaluated.answer.rowLosses?.slice();
      const diagnostics = keepDiagnostics(evaluation.diagnostics);
      const { numerator, denominator } = evaluation;
      const recording = { numerator, denominator, diagnostics, digest, labelDigest, device, rowLosses };
      const [outcome] = await this.#keep(key.run, [{ key, recording, scalars, creator }]);
      const refusal = refusalOf({ key, creator }, outcome!);
      if (refusal !== undefined) throw refusal;
      return { ...evaluated, answer: { evaluation, outcome: outcome as Recorded['outcome'] } };
    } catch (error) {
      evaluated.release();
      throw error;
    }
  }

  /**
   * Records pairs and scalars of a run durably, each as `record` does.
   * @param items recordings; an error stands for an invalid item
   * @param creator owner of the run when it is new; undefined for none
   * @returns outcome or error of each item
   * @throws LossmeterError quota_exceeded; then no item is recorded
   */
  async recordMany(
    run: string,
    items: readonly (KeyedRecording | LossmeterError)[],
    creator?: Creator,
  ): Promise<(Recorded['outcome'] | LossmeterError)[]> {
    const valid = items.flatMap((item) => (item instanceof LossmeterError ? [] : [{ ...item, creator }]));
    const kept = await this.#keep(run, valid);
    if (kept.includes('over_quota')) throw overQuota(run, creator!);
    const outcomes = kept.values();
    return items.map((item) => {
      if (item instanceof LossmeterError) return item;
      const outcome = outcomes.next().value!;
      return refusalOf(item, outcome) ?? (outcome as Recorded['outcome']);
    });
  }

  /** Rejects a superseded large body before reading it. Reading a small body takes less time than this check. */
  async #requireCurrent(key: BatchKey, { contentLength = Infinity }: RequestBody): Promise<void> {
    if (contentLength <= SHORT_BYTES) return;
    const attempt = await this.#store.attemptOf(key.run, key.step);
    if (attempt === undefined || attempt <= key.attempt) return;
    this.#watch('superseded');
    throw superseded(key);
  }

  async #keep(run: string, recordings: readonly KeyedRecording[]): Promise<Outcome[]> {
    const started = performance.now();
    const outcomes = await this.#changes.about(run, () => this.#write(recordings));
    const milliseconds = performance.now() - started;
    for (const [k, outcome] of outcomes.entries()) this.#watch(outcome, k === 0 ? milliseconds : undefined);
    // An earlier attempt may have been recorded without a reply to the client.
    if (outcomes.some(isKept)) this.#changes.notify(run);
    return outcomes;
  }

  #write(recordings: readonly KeyedRecording[]): Promise<Outcome[]> {
    const write = (): Promise<Outcome[]> => this.#store.recordMany(recordings);
    const describe = (outcomes: Outcome[]): SpanAttributes =>
      outcomes.length === 1
        ? { 'lossmeter.outcome': outcomes[0]! }
        : {
            'lossmeter.recordings': outcomes.length,
            'lossmeter.refused': outcomes.filter((one) => !isKept(one)).length,
          };
    return tracing.tracer === undefined ? write() : tracing.tracer.span('record', write, describe);
  }
}

const isKept = (outcome: Outcome): boolean => outcome === 'created' || outcome === 'repeated';

/** Error for a recording that is not in the history; undefined for a recording that is. */
function refusalOf(
  { key, creator }: Pick<KeyedRecording, 'key' | 'creator'>,
  outcome: Outcome,
): LossmeterError | undefined {
  if (outcome === 'superseded') return superseded(key);
  if (outcome === 'conflict') return conflict(key);
  if (outcome === 'over_quota') return overQuota(key.run, creator!);
  if (outcome === 'unexpected') {
    const detail = `${nameOf(key)}: the rank is ${key.rank}, expected a rank below expected_ranks of the run`;
    return new LossmeterError('rank_unexpected', detail);
  }
  if (outcome === 'full') {
    const detail = `${nameOf(key)}: the scalars have new names, with which the run would exceed ${MOST_SERIES} names, the maximum`;
    return new LossmeterError('too_many_scalars', detail);
  }
  return undefined;
}

const nameOf = ({ run, step, rank, microBatch, attempt }: BatchKey): string =>
  `micro-batch ${microBatch} of rank ${rank} at step ${step} of ${run}, attempt ${attempt}`;

function conflict(key: BatchKey): LossmeterError {
  const detail = `${nameOf(key)}: different content, or a different value of a scalar, is already recorded; a trainer that resumes must increment attempt`;
  return new LossmeterError('conflict', detail);
}

function superseded(key: BatchKey): LossmeterError {
  return new LossmeterError(
    'superseded',
    `${nameOf(key)}: a later attempt is recorded at this step, or at an earlier step`,
  );
}
