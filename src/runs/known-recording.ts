/** Recordings with the facts that decide their outcomes. */
import type { KeyedRecording, Outcome } from './record.ts';
import type { Row } from './rows.ts';
import { MOST_SERIES } from './scalars.ts';

/** A named series of the run of a recording. */
export interface KnownScalar {
  /** Number of the series within the run; undefined for a new name. */
  series: number | undefined;
  /** Its value at the step, the attempt and the rank; undefined where there is none. */
  value: number | undefined;
}

/** A recording with what the history has about it. */
export interface KnownRecording extends KeyedRecording {
  /** Id of its run. */
  run: number;
  /** Ranks that the run expects; null for any number. */
  expectedRanks: number | null;
  /** Number of series of the run. */
  series: number;
  /** Attempt that holds at its step: the highest that began at it, or before it; undefined without one. */
  attempt: number | undefined;
  /** First step of its own attempt; undefined for a new attempt. */
  firstStep: number | undefined;
  /** Digest of the micro-batch under its key; undefined when there is none. */
  digest: Uint8Array | undefined;
  /** Its step, of its own attempt; undefined where there is none. */
  step: Row | undefined;
  /** Its rank at that step; undefined where there is none. */
  rank: Row | undefined;
  /** True where ranks of an earlier attempt are left at its step. */
  hasOldRanks: boolean;
  /** Attempt of the first step from its own on; undefined when there is none. */
  nextAttempt: number | undefined;
  /** Facts about its scalars, in their order. */
  known: readonly KnownScalar[];
}

/** True for values that are the same content: NaN is equal to NaN. */
const isSame = (a: number, b: number): boolean => a === b || (Number.isNaN(a) && Number.isNaN(b));

/** Outcome of a recording that is not to be written; undefined for one with something new. */
export function outcomeOf(one: KnownRecording): Outcome | undefined {
  const { key, recording, scalars = [], known, attempt, digest, expectedRanks } = one;
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
