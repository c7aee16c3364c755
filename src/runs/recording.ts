import type { BatchKey, Outcome, Recording } from './record.ts';
import type { Row } from './rows.ts';

/** A recording with the key of its micro-batch. */
export interface KeyedRecording {
  key: BatchKey;
  recording: Recording;
}

/**
 * Most steps that one transaction drops: with their indexes this takes about 10 ms. A recording that supersedes more
 * steps needs several transactions.
 */
export const MOST_DROPPED = 1000;

/**
 * Result of one recording in a transaction. `dropping`: the transaction dropped only some of the superseded steps, so
 * the caller must repeat the recording.
 */
export type RecordOutcome<Failure = unknown> = { outcome: Outcome } | { failure: Failure } | { dropping: true };

/** Facts about the history of a micro-batch to be recorded. */
export interface KnownOfBatch {
  /** Ranks that the run expects; null for any number. */
  expectedRanks: number | null;
  /** Attempt of the last step up to its own: the highest so far; undefined without such a step. */
  attempt: number | undefined;
  /** Digest under its own key; undefined when there is none. */
  digest: Uint8Array | undefined;
}

/** Outcome of a micro-batch that is not to be written; undefined for a new one. */
export function outcomeOf({ key, recording }: KeyedRecording, known: KnownOfBatch): Outcome | undefined {
  if (known.expectedRanks !== null && key.rank >= known.expectedRanks) return 'unexpected';
  if (known.attempt !== undefined && known.attempt > key.attempt) return 'superseded';
  if (known.digest === undefined) return undefined;
  return Buffer.compare(known.digest, recording.digest) === 0 ? 'repeated' : 'conflict';
}

/** The step that a batch is added to: the one at its place, when it is of the same attempt. */
export function stepToExtend(step: Row | undefined, { attempt }: BatchKey): Row | undefined {
  return step !== undefined && Number(step['attempt']) === attempt ? step : undefined;
}
