import { LossmeterError } from '../../errors.ts';

/** Error for a body that ended early or was too slow. Another request can read the rest. */
export class Interruption extends Error {
  override readonly name = 'Interruption';
}

/** Describes an error code of S3 in words. */
const REASONS: Readonly<Record<string, string>> = {
  NoSuchBucket: 'there is no such bucket',
  NoSuchKey: 'there is no such object',
  NotFound: 'there is no such object',
  AccessDenied: 'the object storage denies access to it',
  KeyTooLongError: 'its name is too long',
  InvalidObjectState: 'it is archived, and has to be restored first',
  PermanentRedirect: 'its bucket is in another region than AWS_REGION',
};

/** Errors of the SDK that have no status: its timeouts, and the sources of credentials. */
const NETWORK_ERRORS = new Set(['TimeoutError', 'CredentialsProviderError']);

/** Properties by which errors of the SDK and of the system are distinguished. */
interface ErrorFacts extends Error {
  readonly code?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

/**
 * Describes a failure of the object storage. The text contains the error code of S3, but not its message, which can
 * contain names of hosts and accounts.
 * @param isOpen true when the object was read before
 * @returns other errors unchanged
 */
export function explainStorageError(name: string, cause: unknown, isOpen: boolean): unknown {
  if (cause instanceof LossmeterError || !(cause instanceof Error)) return cause;
  const status = (cause as ErrorFacts).$metadata?.httpStatusCode;
  if (isTransient(cause)) {
    const what = status === undefined ? reasonOf(cause) : `it answers ${status} ${cause.name}`;
    return new LossmeterError('storage_unavailable', `${name} cannot be read from the object storage: ${what}`, [], {
      cause,
    });
  }
  if (status === undefined) return cause;
  if (isOpen && (status === 412 || status === 404 || status === 416)) {
    const what = status === 404 ? 'deleted' : 'overwritten';
    return new LossmeterError('file_changed', `${name} was ${what} while it was read`, [], { cause });
  }
  const reason = REASONS[cause.name] ?? (status === 403 ? REASONS['AccessDenied'] : `${status} ${cause.name}`);
  return new LossmeterError('file_unreadable', `${name} cannot be read: ${reason}`, [], { cause });
}

/** True for a failure that may not occur again: throttling, and faults of the server or the network. */
function isTransient(error: Error): boolean {
  const { $metadata, code, name } = error as ErrorFacts;
  const status = $metadata?.httpStatusCode;
  if (status !== undefined) return status === 429 || status >= 500 || name === 'SlowDown' || name === 'RequestTimeout';
  if (error instanceof Interruption || NETWORK_ERRORS.has(name)) return true;
  // Codes of Node.js (ERR_…) are faults of the program, except codes of TLS.
  return typeof code === 'string' && !/^ERR_(?!SSL|TLS)/.test(code);
}

function reasonOf(error: ErrorFacts): string {
  const { code } = error;
  if (error instanceof Interruption) return error.message;
  if (code === 'ECONNRESET' || code === 'EPIPE') return 'it breaks the connection';
  if (error.name === 'CredentialsProviderError') return 'the service has no credentials for it';
  if (error.name === 'TimeoutError') return 'it does not answer in time';
  return typeof code === 'string' ? code : error.name;
}
