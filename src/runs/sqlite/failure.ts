import { LossmeterError } from '../../errors.ts';
import type { ErrorCode } from '../../errors.ts';
import { SqliteError, resultCodeOf } from './sqlite-error.ts';

/** An error in plain form: error classes and their fields are lost between threads. */
export interface Failure {
  message: string;
  /** Set for a LossmeterError. */
  code?: ErrorCode | undefined;
  /** Extended result code, for an error of SQLite or one that SQLite caused. */
  resultCode?: number | undefined;
  stack?: string | undefined;
}

/** Packs an error for the other thread. */
export function packFailure(error: unknown): Failure {
  const { message, stack, cause } = error as Error;
  const code = error instanceof LossmeterError ? error.code : undefined;
  return { message, code, resultCode: resultCodeOf(error) ?? resultCodeOf(cause), stack };
}

/** Restores an error that came from the other thread: a LossmeterError, a SqliteError or a plain Error. */
export function unpackFailure({ message, code, resultCode, stack }: Failure): Error {
  const original = resultCode === undefined ? new Error(message) : new SqliteError(message, resultCode);
  if (stack !== undefined) original.stack = stack;
  return code === undefined ? original : new LossmeterError(code, message, [], { cause: original });
}
