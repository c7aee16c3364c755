/** States of runs: what the trainer says, and what its silence says. */
import type { RunState } from '../contract/run-metadata.ts';
import { isActive } from './activity.ts';
import type { RunSummary } from './record.ts';

/** Milliseconds of silence after which a run that is said to be running counts as crashed. */
const SILENT_MS = 30 * 60_000;

/**
 * Milliseconds after the end of a run in which recordings belong to it: those of other ranks, and those that a trainer
 * sends again. Later recordings show that it runs again.
 */
const LATE_MS = 60_000;

/** State of a run at a time. */
export function stateOf(run: Pick<RunSummary, 'said' | 'updatedAt' | 'batches'>, now: number): RunState {
  const { said, updatedAt } = run;
  if (said === undefined) return isActive(run, now) ? 'running' : 'idle';
  if (said.state !== 'running' && updatedAt <= said.at + LATE_MS) return said.state;
  return now - Math.max(updatedAt, said.at) > SILENT_MS ? 'crashed' : 'running';
}
