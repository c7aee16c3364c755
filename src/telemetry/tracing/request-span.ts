import type { Span } from '@opentelemetry/api';
import {
  ATTR_HTTP_REQUEST_METHOD,
  ATTR_HTTP_REQUEST_METHOD_ORIGINAL,
  ATTR_NETWORK_PROTOCOL_VERSION,
  ATTR_SERVER_ADDRESS,
  ATTR_SERVER_PORT,
  ATTR_URL_PATH,
  ATTR_URL_SCHEME,
  ATTR_USER_AGENT_ORIGINAL,
} from '@opentelemetry/semantic-conventions';
import type { FastifyRequest } from 'fastify';

/** Attribute for the size of the request body. It is in development, so the conventions' package does not export it. */
const ATTR_HTTP_REQUEST_BODY_SIZE = 'http.request.body.size';

/** Methods of OpenTelemetry's conventions; other methods are reported as `_OTHER`. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH', 'QUERY']);

/**
 * Describes the span of a request by OpenTelemetry's conventions for HTTP servers. The query is left out of the path,
 * because it may contain a secret.
 */
export function describeRequest(span: Span, request: FastifyRequest): void {
  const { method, headers } = request;
  const route = request.routeOptions.url;
  const isKnown = METHODS.has(method);
  const name = isKnown ? method : 'HTTP';
  span.updateName(route === undefined ? name : `${name} ${route}`);
  span.setAttributes({
    [ATTR_HTTP_REQUEST_METHOD]: isKnown ? method : '_OTHER',
    ...(!isKnown && { [ATTR_HTTP_REQUEST_METHOD_ORIGINAL]: method }),
    [ATTR_URL_PATH]: request.url.split('?', 1)[0]!,
    [ATTR_URL_SCHEME]: 'http',
    [ATTR_NETWORK_PROTOCOL_VERSION]: request.raw.httpVersion,
    [ATTR_SERVER_ADDRESS]: request.hostname,
    ...(request.port !== null && { [ATTR_SERVER_PORT]: request.port }),
    ...(headers['user-agent'] !== undefined && { [ATTR_USER_AGENT_ORIGINAL]: headers['user-agent'] }),
    ...(headers['content-length'] !== undefined && {
      [ATTR_HTTP_REQUEST_BODY_SIZE]: Number(headers['content-length']),
    }),
  });
}
