import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { LossmeterError } from '../../errors.ts';
import type { ErrorCode } from '../../errors.ts';
import type { Diagnostics } from '../../contract/diagnostics.ts';
import { PROBLEM_MEDIA_TYPE, problemOf } from '../../contract/problem.ts';
import { stringify } from '../../wire/json-text/stringify.ts';
import { AllowedMethods } from './allowed-methods.ts';
import { questionOf } from '../../suggestion.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** Returns the methods of the path of a request; empty for an unknown path. */
    readonly allowedMethods: (request: Pick<FastifyRequest, 'url'>) => string[];
  }
}

/** Error codes for faults of the service itself. */
const FAULTS = new Set<ErrorCode>(['internal', 'worker_lost', 'store_unavailable']);

/**
 * Answers every error: under /v2 in the form of the Open Inference Protocol, otherwise as an RFC 9457 problem. Faults of the
 * service are logged, and the answer does not show their causes.
 */
export default fp(
  async (app) => {
    const methods = new AllowedMethods(app);
    app.decorate('allowedMethods', ({ url }) => methods.of(pathOf(url)));
    const sendNotFound = (request: FastifyRequest, reply: FastifyReply): FastifyReply =>
      sendError(noSuchRoute(methods, request, reply), request, reply);
    app.setErrorHandler((error: FastifyError | LossmeterError, request, reply) => {
      // Fastify checks the Content-Type of a QUERY request before it finds that no handler exists.
      const isFrameworkError = !(error instanceof LossmeterError);
      if (isFrameworkError && !app.allowedMethods(request).includes(request.method))
        return sendNotFound(request, reply);
      const known = toLossmeterError(error);
      if (FAULTS.has(known.code)) request.log.error({ err: error }, known.message);
      // Logs only the place: the detail may quote a tensor, or a key in the wrong place.
      else request.log.info({ code: known.code, at: known.places.map(({ pointer }) => pointer) }, 'request refused');
      return sendError(known, request, reply);
    });
    app.setNotFoundHandler(sendNotFound);
  },
  { name: 'errors' },
);

const pathOf = (url: string): string => url.split('?', 1)[0]!;

/** Makes the error for an unknown path, or for a path with other methods, which it lists in the header `Allow`. */
function noSuchRoute(
  methods: AllowedMethods,
  { server: app, method, url }: FastifyRequest,
  reply: FastifyReply,
): LossmeterError {
  const path = pathOf(url);
  const allowed = methods.of(path);
  if (allowed.length === 0) {
    const question = questionOf(methods.suggest(path));
    const manual = app.hasRoute({ method: 'GET', url: '/docs' }) ? '; /openapi.json and /docs describe the API' : '';
    return new LossmeterError('not_found', `there is no ${path}${question === '' ? manual : question}`);
  }
  reply.header('allow', allowed.join(', '));
  return new LossmeterError(
    'method_not_allowed',
    `${path} does not have the method ${method}, expected ${allowed.join(' or ')}`,
  );
}

/** Answers a request that Fastify refuses before routing, such as a path that cannot be decoded. */
export function answerFrameworkError(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  // No hook runs, so the request is counted here. Its body, if any, is not read.
  request.server.telemetry?.http.watch(request, reply);
  reply.header('connection', 'close');
  sendError(toLossmeterError(error), request, reply);
}

/** Paths under /v2. */
const OPEN_INFERENCE = /^\/v2(?:[/?]|$)/;

/** Sends an error in the form of the Open Inference Protocol under /v2, and as a problem elsewhere. */
function sendError(error: LossmeterError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  count(error, request);
  if ((error.status === 429 || error.status === 503) && !reply.hasHeader('retry-after')) reply.header('retry-after', 1);
  request.trace?.refused(error.code, error.status);
  const [body, mediaType] = OPEN_INFERENCE.test(request.url)
    ? [inferenceErrorOf(error, request), 'application/json']
    : [problemOf(error, instanceOf(request), request.trace?.ids.trace_id), PROBLEM_MEDIA_TYPE];
  // With a serializer, Fastify adds no charset to the Content-Type. KServe's client does not understand a charset.
  return reply.code(error.status).type(mediaType).serializer(stringify).send(body);
}

function count({ code, extensions }: LossmeterError, { server: { telemetry } }: FastifyRequest): void {
  telemetry?.http.refused(code);
  // A rejected non-finite loss was evaluated too.
  if (code === 'non_finite_loss') telemetry?.evaluations.judged(extensions['diagnostics'] as Diagnostics);
}

function inferenceErrorOf({ code, message, extensions }: LossmeterError, request: FastifyRequest): object {
  const { trace } = request;
  const traced = trace && { trace_id: trace.ids.trace_id };
  return { error: message, code, instance: instanceOf(request), ...traced, ...extensions };
}

function instanceOf(request: FastifyRequest): string {
  return `urn:uuid:${request.id}`;
}

/** Converts an error of Fastify. Errors with a status of 4xx keep their text. */
function toLossmeterError(error: FastifyError | LossmeterError): LossmeterError {
  if (error instanceof LossmeterError) return error;
  const { statusCode } = error;
  if (statusCode === 413) return new LossmeterError('body_too_large', error.message, [], { cause: error });
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new LossmeterError('bad_request', error.message, [], { cause: error });
  }
  return new LossmeterError('internal', 'the service failed; the log has the cause under this instance', [], {
    cause: error,
  });
}
