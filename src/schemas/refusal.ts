import { Type } from 'typebox';
import type { TObject } from 'typebox';
import { ERRORS } from '../errors.ts';
import { Diagnostics } from './diagnostics.ts';
import { refusalExample } from './refusal-examples.ts';
import type { RefusalExample } from './refusal-examples.ts';

const { non_finite_loss: nonFiniteLoss, unauthorized, overloaded, shutting_down: shuttingDown } = ERRORS;

const RetryAfter = Type.Integer({
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  description: 'Seconds after which the request can be repeated.',
});
const Challenge = Type.String({ description: 'How to come back with a key: RFC 6750, section 3.' });

const HEADERS: Readonly<Record<number, Readonly<Record<string, object>>>> = {
  [unauthorized.status]: { 'WWW-Authenticate': Challenge },
  [overloaded.status]: { 'Retry-After': RetryAfter },
  [shuttingDown.status]: { 'Retry-After': RetryAfter },
};

/** Responses of the given statuses, all of them refusals of the same form. */
export function refusalResponses(
  statuses: readonly number[],
  {
    mediaType,
    schema,
    show,
  }: { mediaType: string; schema: TObject; /** A refusal in that form. */ show: (example: RefusalExample) => object },
): Record<number, object> {
  const withDiagnostics = Type.Object(
    { ...schema.properties, diagnostics: Type.Optional(NonFiniteDiagnostics) },
    { additionalProperties: false, description: (schema as { description?: string }).description ?? '' },
  );
  return Object.fromEntries(
    statuses.map((status) => {
      const codes = Object.entries(ERRORS).filter(([, error]) => error.status === status);
      const description = codes.map(([code, error]) => `\`${code}\`: ${error.title}.`).join(' ');
      const form = status === nonFiniteLoss.status ? withDiagnostics : schema;
      const body = { ...form, examples: [show(refusalExample(status))] };
      const headers = HEADERS[status];
      return [status, { description, ...(headers && { headers }), content: { [mediaType]: { schema: body } } }];
    }),
  );
}

const NonFiniteDiagnostics = Type.Object(Diagnostics.properties, {
  additionalProperties: false,
  description: 'Of `non_finite_loss`: the diagnostics, as the answer would have them.',
});
