/** Recordings with the facts that decide their outcomes. */
import type { KeyedRecording, Outcome } from './record.ts';
import type { Row } from './rows.ts';
import { MOST_SERIES } from './scalars.ts';

/** A named series of the run of a recording. */
export interface KnownScalar {
  /** Number of the series within the run; undefined for a new name. */
  series: number | undefined;
  /** Recorded value at the step, attempt and rank; undefined when there is none. */
  value: number | undefined;
}

/** Stands for the id of a run that must not be created. */
export const NO_RUN = 0;

/** A recording with the facts of the history about it. */
export interface KnownRecording extends KeyedRecording {
  /** Id of its run; NO_RUN for a new run beyond the quota of its creator. */
  run: number;
  /** Ranks that the run expects; null for any number. */
  expectedRanks: number | null;
  /** Number of series of the run. */
  series: number;
  /** Current attempt at its step: the highest attempt that began at or before it; undefined when there is none. */
  attempt: number | undefined;
  /** First step of its own attempt; undefined for a new attempt. */
  firstStep: number | undefined;
  /** Digest of the micro-batch under its key; undefined when there is none. */
  digest: Uint8Array | undefined;
  /** Row of its step, if that has the same attempt; otherwise undefined. */
  step: Row | undefined;
  /** Row of its rank at that step; undefined when there is none. */
  rank: Row | undefined;
  /** True when its step still has ranks of an earlier attempt. */
  hasOldRanks: boolean;
  /** Attempt of the first stored step at or after its own step; undefined when there is none. */
  nextAttempt: number | undefined;
  /** Facts about its scalars, in their order. */
  known: readonly KnownScalar[];
}

/** True for equal values. NaN equals NaN. */
const isSame = (a: number, b: number): boolean => a === b || (Number.isNaN(a) && Number.isNaN(b));

/** Outcome of a recording that must not be written; undefined for a recording with new content. */
export function outcomeOf(one: KnownRecording): Outcome | undefined {
  const { key, recording, scalars = [], known, attempt, digest, expectedRanks } = one;
  if (one.run === NO_RUN) return 'over_quota';
  if (expectedRanks !== null && key.rank >= expectedRanks) return 'unexpected';
  if (attempt !== undefined && attempt > key.attempt) return 'superseded';
  if (recording !== undefined && digest !== undefined && Buffer.compare(digest, recording.digest) !== 0)
    return 'conflict';
  const isOther = known.some(({ value }, k) => value !== undefined && !isSame(value, scalars[k]![1]));
  if (isOther) return 'conflict';
  const names = known.filter(({ series }) => series === undefined).length;
  if (names > 0 && one.series + names > MOST_SERIES) return 'full';
  const isNew = (recording !== undefined && digest === undefined) || known.some(({ value }) => value === undefined);
  return isNew ? undefined : 'repeated';
}
