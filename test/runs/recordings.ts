/** Recordings for the tests of the history. */
import type { Recording } from '../../src/runs/record.ts';
import type { RunQuery } from '../../src/runs/run-query.ts';

/** All steps of a run. */
export const ALL = { from: 0, to: Number.MAX_SAFE_INTEGER };

/** A recording whose content is its pair. */
export function recording(numerator: number, denominator = 1): Recording {
  const verdict = Number.isFinite(numerator) ? 'finite' : 'non_finite';
  const digest = new Uint8Array(Float64Array.of(numerator, denominator).buffer);
  return { numerator, denominator, digest, diagnostics: { verdict, summary: verdict, causes: [] } };
}

/** All runs, the newest first. */
export const NEWEST: RunQuery = { search: '', sort: 'newest' };
