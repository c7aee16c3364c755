/** State of a run, from the state that its trainer said last and the time since its last recording. */
import type { RunState } from '../contract/run-metadata.ts';
import { isActive } from './activity.ts';
import type { RunSummary } from './record.ts';

/** Milliseconds without a recording after which a run that was said to be running counts as crashed. */
const SILENT_MS = 30 * 60_000;

/**
 * Milliseconds after the said end of a run in which recordings do not restart it: other ranks may be late, and a trainer
 * may retry. A later recording shows that the run is running again.
 */
const LATE_MS = 60_000;

/** State of a run at a time. */
export function stateOf(run: Pick<RunSummary, 'said' | 'updatedAt' | 'batches'>, now: number): RunState {
  const { said, updatedAt } = run;
  if (said === undefined) return isActive(run, now) ? 'running' : 'idle';
  if (said.state !== 'running' && updatedAt <= said.at + LATE_MS) return said.state;
  return now - Math.max(updatedAt, said.at) > SILENT_MS ? 'crashed' : 'running';
}
