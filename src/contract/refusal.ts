import { Type } from 'typebox';
import type { TObject } from 'typebox';
import { ERRORS } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import { Diagnostics } from './diagnostics.ts';
import { refusalExample } from './refusal-examples.ts';
import type { RefusalExample } from './refusal-examples.ts';

const { non_finite_loss: nonFiniteLoss, unauthorized, overloaded, shutting_down: shuttingDown } = ERRORS;

const RetryAfter = Type.Integer({
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  description: 'Seconds after which the request can be repeated.',
});
const Challenge = Type.String({ description: 'Authentication challenge: RFC 6750, section 3.' });

const HEADERS: Readonly<Record<number, Readonly<Record<string, object>>>> = {
  [unauthorized.status]: { 'WWW-Authenticate': Challenge },
  [overloaded.status]: { 'Retry-After': RetryAfter },
  [shuttingDown.status]: { 'Retry-After': RetryAfter },
};

/** Form of the errors of a protocol. */
export interface RefusalForm {
  readonly mediaType: string;
  readonly schema: TObject;
  /** Formats an error in this form. */
  readonly show: (example: RefusalExample) => object;
}

/** Codes of all errors with the given statuses. */
export function codesOf(statuses: readonly number[]): ErrorCode[] {
  const codes = Map.groupBy(Object.keys(ERRORS) as ErrorCode[], (code) => ERRORS[code].status as number);
  return statuses.flatMap((status) => {
    const ofStatus = codes.get(status);
    if (ofStatus === undefined) throw new Error(`no error has the status ${status}`);
    return ofStatus;
  });
}

/** Error responses by status, all in the same form. */
export function refusalResponses(
  codes: readonly ErrorCode[],
  { mediaType, schema, show }: RefusalForm,
): Record<number, object> {
  const withDiagnostics = Type.Object(
    { ...schema.properties, diagnostics: Type.Optional(NonFiniteDiagnostics) },
    { additionalProperties: false, description: (schema as { description?: string }).description ?? '' },
  );
  return Object.fromEntries(
    [...Map.groupBy(codes, (code) => ERRORS[code].status)].map(([status, ofStatus]) => {
      const description = ofStatus.map((code) => `\`${code}\`: ${ERRORS[code].title}.`).join(' ');
      const form = status === nonFiniteLoss.status ? withDiagnostics : schema;
      const body = { ...form, examples: [show(refusalExample(status))] };
      const headers = HEADERS[status];
      return [status, { description, ...(headers && { headers }), content: { [mediaType]: { schema: body } } }];
    }),
  );
}

const NonFiniteDiagnostics = Type.Object(Diagnostics.properties, {
  additionalProperties: false,
  description: 'The diagnostics of the answer; for `non_finite_loss`.',
});
