import type { RunSummary } from './record.ts';

/** A run in which something was recorded in so many milliseconds is active. */
const ACTIVE_MS = 5 * 60_000;

export function isActive({ updatedAt, batches }: Pick<RunSummary, 'updatedAt' | 'batches'>, now: number): boolean {
  return now - updatedAt < ACTIVE_MS && batches > 0;
}
