import { LossmeterError } from '../../errors.ts';
import { adviseOn } from './advice.ts';
import { resultCodeOf } from './sqlite-error.ts';

/**
 * Primary result codes of faults outside the service: busy, locked, read-only, input or output, corrupt, full, cannot
 * open, no database.
 */
const OUTSIDE = new Set([5, 6, 8, 10, 11, 13, 14, 26]);

/**
 * Turns an SQLite error with an external cause into LossmeterError store_unavailable; returns other errors unchanged.
 */
export function explain(error: unknown): unknown {
  const code = resultCodeOf(error);
  if (code === undefined || !OUTSIDE.has(code & 0xff)) return error;
  return new LossmeterError('store_unavailable', `the history cannot be used: ${adviseOn(error)}`, [], {
    cause: error,
  });
}
