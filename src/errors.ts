/**
 * Catalogue of all errors of the service, by code. The code is part of the API: clients switch on it. A test compares
 * docs/errors.md with this catalogue.
 */
export const ERRORS = {
  malformed_body: { status: 400, title: 'The body cannot be decoded' },
  truncated_body: { status: 400, title: 'The body ends before it is complete' },
  unauthorized: { status: 401, title: 'The request has no valid key' },
  forbidden: { status: 403, title: 'The key lacks the required scope' },
  quota_exceeded: { status: 403, title: 'The key has reached its maximum number of runs' },
  host_not_allowed: { status: 403, title: 'The Host header is not allowed' },
  origin_not_allowed: { status: 403, title: 'Web pages of this origin may not send this request' },
  not_found: { status: 404, title: 'No such resource' },
  method_not_allowed: { status: 405, title: 'The resource does not have this method' },
  not_acceptable: { status: 406, title: 'None of the accepted media types can be produced' },
  client_too_slow: { status: 408, title: 'The client sends too slowly' },
  body_too_large: { status: 413, title: 'The body is larger than this service accepts' },
  unsupported_media_type: { status: 415, title: 'The media type of the body is not supported' },
  unsupported_content_encoding: { status: 415, title: 'The content encoding of the body is not supported' },
  expectation_failed: { status: 417, title: 'The Expect header of the request cannot be met' },
  missing_field: { status: 422, title: 'A required field is missing' },
  unknown_field: { status: 422, title: 'A field is unknown' },
  invalid_option: { status: 422, title: 'An option is not valid' },
  invalid_tensor: { status: 422, title: 'A tensor is not valid' },
  shape_mismatch: { status: 422, title: 'The shapes of the tensors do not fit together' },
  invalid_label: { status: 422, title: 'A label is not a class' },
  invalid_reference: { status: 422, title: 'The reference is not valid' },
  invalid_weight: { status: 422, title: 'The class weights are not valid' },
  invalid_mask: { status: 422, title: 'The input mask is not valid' },
  invalid_shard: { status: 422, title: 'The shard of the vocabulary is not valid' },
  invalid_partial: { status: 422, title: 'A partial is not valid' },
  local_data_off: { status: 403, title: 'This service reads no local files' },
  object_storage_off: { status: 403, title: 'This service reads no object storage' },
  file_forbidden: { status: 403, title: 'Requests may not name this file' },
  file_unreadable: { status: 422, title: 'The file cannot be read' },
  invalid_file: { status: 422, title: 'The file is not valid' },
  file_changed: { status: 409, title: 'The file was changed while it was read; the request can be repeated' },
  invalid_job: { status: 422, title: 'The job is not valid' },
  invalid_metadata: { status: 422, title: 'The metadata of the run is not valid' },
  invalid_item: { status: 422, title: 'The item is not valid' },
  invalid_pair: { status: 422, title: 'The pair of numerator and denominator is not valid' },
  job_state: { status: 409, title: 'The state of the job does not allow this' },
  conflict: { status: 409, title: 'A different batch is already recorded' },
  rank_unexpected: { status: 422, title: 'The run has no such rank' },
  too_many_scalars: { status: 422, title: 'The run has too many scalar names' },
  name_taken: { status: 409, title: 'Another run already has this name' },
  superseded: { status: 409, title: 'A later attempt is recorded at this step, or at an earlier step' },
  partials_mismatch: { status: 422, title: 'The partials do not belong together' },
  non_finite_loss: { status: 422, title: 'The loss is not finite' },
  bad_request: { status: 400, title: 'The request is not valid' },
  headers_too_large: { status: 431, title: 'The head of the request is larger than this service accepts' },
  rate_limited: { status: 429, title: 'The client has reached its request limit; the request can be repeated later' },
  overloaded: { status: 429, title: 'The service is overloaded; the request can be repeated' },
  client_closed: { status: 499, title: 'The client closed the connection before the answer' },
  not_implemented: { status: 501, title: 'The service does not implement this' },
  internal: { status: 500, title: 'The service failed' },
  store_unavailable: {
    status: 503,
    title: 'The history cannot be read or written at the moment; the request can be repeated',
  },
  storage_unavailable: {
    status: 503,
    title: 'The object storage cannot be read at the moment; the request can be repeated',
  },
  worker_lost: { status: 503, title: 'A worker was lost; the request can be repeated' },
  shutting_down: { status: 503, title: 'The service is shutting down; the request can be repeated' },
} as const;

export type ErrorCode = keyof typeof ERRORS;

/** An invalid place in the request: an RFC 6901 pointer, and the received and the expected value. */
export interface ErrorPlace {
  pointer: string;
  detail: string;
}

/** Maximum number of characters of a detail, and maximum number of places, in an answer. */
const MAX_DETAIL_LENGTH = 4096;
const MAX_PLACES = 64;

/** An error for the client, which becomes an RFC 9457 problem on the wire. */
export class LossmeterError extends Error {
  override readonly name = 'LossmeterError';
  readonly code: ErrorCode;
  readonly places: readonly ErrorPlace[];
  /** Members of the problem in addition to the common ones. */
  readonly extensions: Readonly<Record<string, unknown>>;

  /** @param detail the received value, the expected value, and the place: shown to the client unchanged */
  constructor(
    code: ErrorCode,
    detail: string,
    places: readonly ErrorPlace[] = [],
    { extensions = {}, ...options }: ErrorOptions & { extensions?: Readonly<Record<string, unknown>> } = {},
  ) {
    super(detail.length > MAX_DETAIL_LENGTH ? `${detail.slice(0, MAX_DETAIL_LENGTH - 1)}…` : detail, options);
    this.code = code;
    this.places = places.slice(0, MAX_PLACES);
    this.extensions = extensions;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }

  get title(): string {
    return ERRORS[this.code].title;
  }
}

/** Makes an error about one place in the request. */
export function refuse(code: ErrorCode, pointer: string, detail: string): LossmeterError {
  return new LossmeterError(code, detail, [{ pointer, detail }]);
}
