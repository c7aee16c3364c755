import { ERRORS } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';

/** An example of an error for the manual. */
export interface RefusalExample {
  readonly code: ErrorCode;
  readonly detail: string;
  /** Invalid place in the request. */
  readonly pointer?: string;
}

/** URN of a rejected request. */
export const INSTANCE = 'urn:uuid:0b8a1c0e-4f2c-4f0e-9a83-7a4bb1d7a9d2';

const EXAMPLES: readonly RefusalExample[] = [
  { code: 'malformed_body', detail: 'the body is not JSON: the string at byte 12 does not end' },
  {
    code: 'unauthorized',
    detail:
      'the request has no key, expected a key with the scope evaluate as `Authorization: Bearer KEY` or `X-API-Key: KEY`',
  },
  {
    code: 'forbidden',
    detail: 'the request requires the scope evaluate, but the key dashboard has only the scopes [read]',
  },
  { code: 'not_found', detail: 'there is no run char-lm' },
  { code: 'method_not_allowed', detail: '/v1/info does not have the method PUT, expected GET or HEAD' },
  {
    code: 'not_acceptable',
    detail:
      'Accept is text/html, answers can be application/json, application/vnd.msgpack, application/msgpack, application/x-msgpack, application/vnd.safetensors',
  },
  {
    code: 'client_too_slow',
    detail: '120 bytes arrived while the service waited 10.0 s for the client, expected at least 1024 bytes per second',
  },
  {
    code: 'conflict',
    detail:
      'micro-batch 0 of rank 0 at step 100 of char-lm, attempt 0: different content, or a different value of a scalar, is already recorded; a trainer that resumes must increment attempt',
  },
  { code: 'body_too_large', detail: 'the body has more than 4294967296 bytes, the maximum of this service' },
  { code: 'unsupported_media_type', detail: 'Content-Type is text/plain, expected one of application/json' },
  { code: 'expectation_failed', detail: 'Expect is "200-ok", expected 100-continue or none' },
  {
    code: 'invalid_label',
    detail: 'label[3] is 50257, expected a class in [0, 50257)',
    pointer: '/label/data/3',
  },
  { code: 'overloaded', detail: '16 evaluations are under way and 64 wait, the maximum of this service' },
  {
    code: 'headers_too_large',
    detail: 'the head of the request has more than 16384 bytes, the maximum of this service',
  },
  { code: 'internal', detail: 'the service failed; the log has the cause under this instance' },
  { code: 'not_implemented', detail: 'shared memory is not implemented by this service' },
  { code: 'shutting_down', detail: 'the service is shutting down and takes no new work' },
];

const byStatus = new Map(EXAMPLES.map((example) => [ERRORS[example.code].status as number, example]));

/** Returns the example of an error with a status. */
export function refusalExample(status: number): RefusalExample {
  const example = byStatus.get(status);
  if (example === undefined) throw new Error(`no refusal of status ${status} has an example`);
  return example;
}
