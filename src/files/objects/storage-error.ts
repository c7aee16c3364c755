import { LossmeterError } from '../../errors.ts';

/** A body that ended early, or that came too slowly. Another request can read on. */
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

/** Parts of errors of the SDK and of the system that tell them apart. */
interface ErrorFacts extends Error {
  readonly code?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

/**
 * Describes a failure of the object storage. The text has the error code of S3, and not its message, which can have
 * names of hosts and accounts.
 * @param isOpen true where the object was read before
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

/** True for a failure that another attempt may not have: throttling, faults of the server, and of the network. */
function isTransient(error: Error): boolean {
  const { $metadata, code, name } = error as ErrorFacts;
  const status = $metadata?.httpStatusCode;
  if (status !== undefined) return status === 429 || status >= 500 || name === 'SlowDown' || name === 'RequestTimeout';
  if (error instanceof Interruption || NETWORK_ERRORS.has(name)) return true;
  // Codes of Node tell faults of the program, apart from those of TLS.
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
