import type { FastifySchema } from 'fastify';
import type { ErrorCode } from '../errors.ts';
import type { Access } from '../keys/scopes.ts';
import { INFERENCE_ERROR_FORM } from './open-inference.ts';
import { RESPONSES } from './components.ts';
import { mapValues } from '../map-values.ts';
import { requestSchema, responseSchema } from './portable.ts';
import type { Schema } from './portable.ts';
import { PROBLEM_FORM } from './problem.ts';
import { refusalResponses } from './refusal.ts';

/** Ways in which a request can carry a key. */
export const SECURITY_SCHEMES = {
  bearerAuth: {
    type: 'http',
    scheme: 'bearer',
    description: 'A key of the service, created by `lossmeter keys create`. Not required when the service has no keys.',
  },
  apiKeyAuth: {
    type: 'apiKey',
    in: 'header',
    name: 'X-API-Key',
    description: 'The same key, in the header `X-API-Key`.',
  },
} as const;

/** Properties of a route that do not depend on its handler. */
interface Standing {
  readonly url: string;
  readonly access: Access;
  /** True when the route answers while the service shuts down. */
  readonly answersToTheEnd: boolean;
}

/**
 * Completes the schema of a route for the manual: adds the required key and the possible errors.
 * @param components the named responses; the responses of the operation are added to them
 */
export function operationOf(
  schema: FastifySchema,
  standing: Standing,
  components: Record<string, object>,
): FastifySchema {
  const { access, url } = standing;
  const scopes = access === 'any' ? [] : [access];
  const security = Object.keys(SECURITY_SCHEMES).map((scheme) => ({ [scheme]: scopes }));
  const form = url.startsWith('/v2') ? INFERENCE_ERROR_FORM : PROBLEM_FORM;
  const refusals = refusalResponses(refusalsOf(standing), form);
  const { body, params, querystring, response } = schema as Partial<Record<string, object>>;
  return {
    ...schema,
    ...(body && { body: requestSchema(body) }),
    ...(params && { params: requestSchema(params) }),
    ...(querystring && { querystring: requestSchema(querystring) }),
    security: access === 'open' ? [] : security,
    // The route's own responses take precedence, because they are more specific.
    response: mapValues({ ...refusals, ...response }, (one) => referTo(one, components)),
  };
}

/** Moves a response that has a title to the components. @fastify/swagger cannot refer to responses by itself. */
function referTo(response: Schema, components: Record<string, object>): object {
  const { title, ...component } = response;
  if (title === undefined || response.content === undefined) return responseSchema(response);
  components[title] ??= responseSchema(component);
  return { type: 'null', description: RESPONSES + title };
}

function refusalsOf({ access, answersToTheEnd }: Standing): ErrorCode[] {
  return [
    ...(['bad_request', 'host_not_allowed', 'origin_not_allowed', 'expectation_failed'] as const),
    ...(access === 'open' ? [] : (['unauthorized', 'forbidden', 'rate_limited', 'overloaded'] as const)),
    ...(answersToTheEnd ? [] : (['shutting_down'] as const)),
    'internal',
  ];
}
