/** Losses of the rows of batches, which are kept where somebody will look for the first wrong one. */
import { isSpike } from '../../loss/spike.ts';
import type { BatchFact, BatchFacts } from '../batch-facts.ts';
import type { KeyedRecording } from '../record.ts';

/** A row that differs between two batches. */
export interface DifferingRow {
  row: number;
  loss: number;
  otherLoss: number;
}

/** First row whose loss differs in a bit; undefined where the rows of one are not kept, or none of those differs. */
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
   * Finite losses of the last steps before its step, in their order; none where its loss can be no spike. Steps that the
   * same transaction records do not count.
   */
  losses(loss: number): readonly number[];
  /** True when the rows of another attempt are kept. */
  hasOthers(): boolean;
}

/**
 * A recording without the losses of its rows, unless they are kept: its loss is not finite or is a spike, or the rows of
 * another attempt are kept.
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
