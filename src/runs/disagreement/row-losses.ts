/** Losses of the rows of batches, which are stored for suspicious batches, to find their first wrong row. */
import { isSpike } from '../../loss/spike.ts';
import type { BatchFact, BatchFacts } from '../batch-facts.ts';
import type { KeyedRecording } from '../record.ts';

/** A row that differs between two batches. */
export interface DifferingRow {
  row: number;
  loss: number;
  otherLoss: number;
}

/** First row whose losses differ in a bit; undefined when row losses of a batch are not stored, or no row differs. */
export async function firstDifferingRow(
  [facts, batch]: readonly [BatchFacts, BatchFact],
  [otherFacts, other]: readonly [BatchFacts, BatchFact],
): Promise<DifferingRow | undefined> {
  const losses = await facts.rowLosses(batch);
  const others = losses && (await otherFacts.rowLosses(other));
  if (losses === undefined || others === undefined) return undefined;
  const row = losses.findIndex((loss, k) => !Object.is(loss, others[k]));
  return row === -1 || row >= others.length ? undefined : { row, loss: losses[row]!, otherLoss: others[row]! };
}

/** Facts of the history about the rows of a batch. */
export interface RowsBefore {
  /**
   * Finite losses of the last steps before its step, in their order; empty when its loss cannot be a spike. Steps that the
   * same transaction records are not included.
   */
  losses(loss: number): readonly number[];
  /** True when row losses of another attempt are stored. */
  hasOthers(): boolean;
}

/**
 * Removes the row losses of a recording, except when they must be stored: the batch is non-finite, its loss is a spike, or
 * row losses of another attempt are stored.
 */
export function withKeptRows(one: KeyedRecording, before: RowsBefore): KeyedRecording {
  const { key, recording } = one;
  if (recording?.rowLosses === undefined) return one;
  const loss = recording.numerator / recording.denominator;
  const isKept =
    recording.diagnostics.verdict === 'non_finite' ||
    isSpike(loss, before.losses(loss)) ||
    (key.attempt > 0 && before.hasOthers());
  return isKept ? one : { ...one, recording: { ...recording, rowLosses: undefined } };
}
