import type { FastifySchema } from 'fastify';
import { ERRORS } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import type { Access } from '../keys/scopes.ts';
import { inferenceErrors } from './open-inference.ts';
import { problemResponses } from './problem.ts';

/** The ways in which a key may come. */
export const SECURITY_SCHEMES = {
  bearerAuth: {
    type: 'http',
    scheme: 'bearer',
    description: 'A key of the service, made by `lossmeter keys create`. Not needed where the service has no keys.',
  },
  apiKeyAuth: { type: 'apiKey', in: 'header', name: 'X-API-Key', description: 'The same key in a header of its own.' },
} as const;

/** How every operation but the probes may be refused, whatever it does. */
const REFUSALS: readonly ErrorCode[] = ['unauthorized', 'forbidden', 'rate_limited'];

/** The schema of a route for the manual, with what follows from its access: who may call it, and how others are refused. */
export function withAccess(schema: FastifySchema, url: string, access: Access): FastifySchema {
  if (access === 'open') return { ...schema, security: [] };
  const scopes = access === 'any' ? [] : [access];
  return {
    ...schema,
    security: Object.keys(SECURITY_SCHEMES).map((scheme) => ({ [scheme]: scopes })),
    // What a route says itself tells more.
    response: { ...Object.fromEntries(REFUSALS.map((code) => refusal(code, url))), ...(schema.response as object) },
  };
}

function refusal(code: ErrorCode, url: string): [status: number, response: object] {
  const { status, title } = ERRORS[code];
  const { [status]: response } = url.startsWith('/v2') ? inferenceErrors(status) : problemResponses(status);
  return [status, { ...(response as object), description: `\`${code}\`: ${title}.` }];
}
