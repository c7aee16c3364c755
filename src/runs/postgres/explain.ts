import { DatabaseError } from 'pg';
import { LossmeterError } from '../../errors.ts';

/**
 * SQLSTATE classes of errors while a database cannot be used: connection (08), state of the transaction, such as read-only
 * (25), authorization (28), missing database (3D), rollback after a conflict (40), schema or permission (42), resources
 * (53), object in a wrong state (55), intervention of an operator (57), system (58), internal (XX).
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const UNAVAILABLE = new Set(['08', '25', '28', '3D', '40', '42', '53', '55', '57', '58', 'XX']);

/** SQLSTATE codes of conflicts: serialization failure and deadlock. The rolled-back transaction can be repeated at once. */
const CONFLICTS = new Set(['40001', '40P01']);

/** Advice to an operator by SQLSTATE, or by its class. */
const ADVICE: Readonly<Record<string, string>> = {
  '25006': 'LOSSMETER_STORE must name the primary server, not a standby',
  28: 'Look at the user and the password in LOSSMETER_STORE',
  '3D': 'Create the database, or name another one in LOSSMETER_STORE',
  42501: 'The user must own the schema `lossmeter`, or may create it in the database',
  '42': 'The schema `lossmeter` is not as this version made it: restore it from a backup',
  53100: 'Make space on the disk of the database',
  53300: 'Raise max_connections of the server, or lower LOSSMETER_STORE_CONNECTIONS',
};

/** True for an error of the server about a conflict of two transactions. */
export function isConflict(error: unknown): boolean {
  return error instanceof DatabaseError && CONFLICTS.has(error.code ?? '');
}

/** True for an error of the server about the values of a statement. */
export function isOfValues(error: unknown): boolean {
  return error instanceof DatabaseError && ['22', '23'].includes(error.code?.slice(0, 2) ?? '');
}

/** Error for a schema that is newer than this version of Lossmeter. */
export class NewerSchemaError extends Error {}

/** True for an error that a retry does not resolve: authorization, a missing database, a wrong schema, a defect. */
export function isLasting(error: unknown): boolean {
  if (!(error instanceof LossmeterError)) return true;
  const { cause } = error;
  if (cause instanceof NewerSchemaError) return true;
  return cause instanceof DatabaseError && ['28', '3D', '42'].includes(cause.code?.slice(0, 2) ?? '');
}

/**
 * Turns an error of the connection or of the server into LossmeterError store_unavailable. Returns LossmeterErrors, and
 * errors about the values of a statement, unchanged.
 */
export function explain(error: unknown): unknown {
  if (error instanceof LossmeterError) return error;
  if (error instanceof DatabaseError) {
    const code = error.code ?? '';
    if (!UNAVAILABLE.has(code.slice(0, 2))) return error;
    const advice = ADVICE[code] ?? ADVICE[code.slice(0, 2)];
    return unavailable(`${error.message}${advice === undefined ? '' : `. ${advice}`}`, error);
  }
  return unavailable(reasonOf(error), error);
}

function unavailable(reason: string, cause: unknown): LossmeterError {
  return new LossmeterError('store_unavailable', `the history cannot be used: ${reason}`, [], { cause });
}

/** Message of an error. An AggregateError has none: its messages are one for each address that was tried. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map((one: unknown) => reasonOf(one)).join('; ');
  return error instanceof Error ? error.message : String(error);
}
