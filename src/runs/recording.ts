import type { Changeset } from './changeset.ts';
import { outcomeOf } from './known-recording.ts';
import type { KnownRecording } from './known-recording.ts';
import type { Outcome } from './record.ts';

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

/**
 * End of a round. `done`: no recording is left. `full`: the changes must be written before the next recording. `dropFor`:
 * steps must be dropped for this recording.
 */
type RoundEnd = 'done' | 'full' | { dropFor: KnownRecording };

/**
 * Decides recordings in their order and gathers the changes, until one depends on changes that are not written yet.
 * @param outcomes receives the outcome of each decided recording
 */
export function decide(known: Iterable<KnownRecording>, changes: Changeset, outcomes: RecordOutcome[]): RoundEnd {
  for (const read of known) {
    if (!changes.fits(read)) return 'full';
    const one = changes.updated(read);
    const outcome = outcomeOf(one);
    if (outcome !== undefined) {
      outcomes.push({ outcome });
      continue;
    }
    if (one.nextAttempt !== undefined && one.nextAttempt < one.key.attempt) {
      // Drops steps only at the start of a round, before other changes.
      return changes.isEmpty ? { dropFor: one } : 'full';
    }
    changes.add(one);
    outcomes.push({ outcome: 'created' });
  }
  return 'done';
}
