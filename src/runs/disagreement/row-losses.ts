/** Losses of the rows of batches, which are kept where somebody will look for the first wrong one. */
import { SPIKE_RULE, isSpike } from '../../loss/spike.ts';
import type { BatchFact, BatchFacts } from '../batch-facts.ts';
import type { BatchKey } from '../record.ts';

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

/** True for a batch whose rows are kept: its loss is a spike, or the rows of another attempt are kept. */
export async function keepsRows(facts: BatchFacts, key: BatchKey, loss: number): Promise<boolean> {
  if (Number.isFinite(loss) && isSpike(loss, await facts.lossesBefore(key.step, SPIKE_RULE.window))) return true;
  return key.attempt > 0 && facts.hasRowLosses(key);
}
