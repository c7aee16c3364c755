import type { RunSummary } from './record.ts';

/** Milliseconds for which a run counts as active after its last recording. */
export const ACTIVE_MS = 5 * 60_000;

export function isActive({ updatedAt, batches }: Pick<RunSummary, 'updatedAt' | 'batches'>, now: number): boolean {
  return now - updatedAt < ACTIVE_MS && batches > 0;
}
