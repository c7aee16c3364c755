import { Type } from '#typebox';
import type { TObject } from '#typebox';
import { ERRORS } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import { refusalExample } from './refusal-examples.ts';
import type { RefusalExample } from './refusal-examples.ts';

const { unauthorized, overloaded, shutting_down: shuttingDown } = ERRORS;

const CODES = Object.keys(ERRORS) as readonly ErrorCode[];

const RetryAfter = {
  description: 'Seconds after which the request can be repeated.',
  schema: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
};
const Challenge = { description: 'Authentication challenge: RFC 6750, section 3.', schema: Type.String() };

const HEADERS: Readonly<Record<number, Readonly<Record<string, object>>>> = {
  [unauthorized.status]: { 'WWW-Authenticate': Challenge },
  [overloaded.status]: { 'Retry-After': RetryAfter },
  [shuttingDown.status]: { 'Retry-After': RetryAfter },
};

/** Form of the errors of a protocol. */
export interface RefusalForm {
  /** Prefix of the names of its responses. */
  readonly name: string;
  readonly mediaType: string;
  readonly schema: TObject;
  /** Formats an error in this form. */
  readonly show: (example: RefusalExample) => object;
}

/** Codes of all errors with the given statuses. */
export function codesOf(statuses: readonly number[]): ErrorCode[] {
  return statuses.flatMap((status) => {
    const codes = CODES.filter((code) => ERRORS[code].status === status);
    if (codes.length === 0) throw new Error(`no error has the status ${status}`);
    return codes;
  });
}

/** Error responses by status, all in the same form. */
export function refusalResponses(
  codes: readonly ErrorCode[],
  { name, mediaType, schema, show }: RefusalForm,
): Record<number, object> {
  const inOrder = CODES.filter((code) => codes.includes(code));
  return Object.fromEntries(
    [...Map.groupBy(inOrder, (code) => ERRORS[code].status)].map(([status, ofStatus]) => {
      const description = ofStatus.map((code) => `\`${code}\`: ${ERRORS[code].title}.`).join(' ');
      const title = name + suffixOf(status, ofStatus);
      const body = { schema, example: show(refusalExample(status)) };
      const headers = HEADERS[status];
      return [status, { title, description, ...(headers && { headers }), content: { [mediaType]: body } }];
    }),
  );
}

/** Suffix of the name of a response: its status, or its codes when it has only some codes of the status. */
function suffixOf(status: number, codes: readonly ErrorCode[]): string {
  return codes.length === codesOf([status]).length ? String(status) : codes.map(pascalCase).join('Or');
}

const pascalCase = (name: string): string =>
  name.replaceAll(/(?:^|_)(\w)/g, (_, letter: string) => letter.toUpperCase());
