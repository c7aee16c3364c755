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
    /** The methods that the path of a request has; none where there is no such path. */
    readonly allowedMethods: (request: Pick<FastifyRequest, 'url'>) => string[];
  }
}

/** Faults of the service itself. */
const FAULTS = new Set<ErrorCode>(['internal', 'worker_lost', 'store_unavailable']);

/**
 * Answers every failure: as an RFC 9457 problem, under /v2 in the form of the Open Inference Protocol. Faults of the service
 * are logged, and their causes are not shown.
 */
export default fp(
  async (app) => {
    const methods = new AllowedMethods(app);
    app.decorate('allowedMethods', ({ url }) => methods.of(pathOf(url)));
    const sendNotFound = (request: FastifyRequest, reply: FastifyReply): FastifyReply =>
      sendError(noSuchRoute(methods, request, reply), request, reply);
    app.setErrorHandler((error: FastifyError | LossmeterError, request, reply) => {
      // Fastify checks the Content-Type of a QUERY before it looks for a handler.
      const isFrameworkError = !(error instanceof LossmeterError);
      if (isFrameworkError && !app.allowedMethods(request).includes(request.method))
        return sendNotFound(request, reply);
      const known = toLossmeterError(error);
      if (FAULTS.has(known.code)) request.log.error({ err: error }, known.message);
      // Where, and not what: the detail may quote a tensor, or a key in the wrong place.
      else request.log.info({ code: known.code, at: known.places.map(({ pointer }) => pointer) }, 'request refused');
      return sendError(known, request, reply);
    });
    app.setNotFoundHandler(sendNotFound);
  },
  { name: 'errors' },
);

const pathOf = (url: string): string => url.split('?', 1)[0]!;

/** The error where the path is unknown, or has other methods. Those become the header `Allow`. */
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
  return new LossmeterError('method_not_allowed', `${path} has no ${method}, it has ${allowed.join(', ')}`);
}

/** Answers what Fastify refuses before there is a route: a path that cannot be decoded, for instance. */
export function answerFrameworkError(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  // No hook runs: nobody reads the body, if one comes, and nobody has seen the request.
  request.server.telemetry?.http.watch(request, reply);
  reply.header('connection', 'close');
  sendError(toLossmeterError(error), request, reply);
}

/** Everything under /v2. */
const OPEN_INFERENCE = /^\/v2(?:[/?]|$)/;

/** The Open Inference Protocol has its own form of errors; everything else is answered by a problem. */
function sendError(error: LossmeterError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  count(error, request);
  if ((error.status === 429 || error.status === 503) && !reply.hasHeader('retry-after')) reply.header('retry-after', 1);
  request.trace?.refused(error.code, error.status);
  const [body, mediaType] = OPEN_INFERENCE.test(request.url)
    ? [inferenceErrorOf(error, request), 'application/json']
    : [problemOf(error, instanceOf(request), request.trace?.ids.trace_id), PROBLEM_MEDIA_TYPE];
  // With a serializer Fastify adds no charset, which KServe's client does not understand.
  return reply.code(error.status).type(mediaType).serializer(stringify).send(body);
}

function count({ code, extensions }: LossmeterError, { server: { telemetry } }: FastifyRequest): void {
  telemetry?.http.refused(code);
  // It was evaluated before it was refused.
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

/** Refusals of Fastify itself keep their text. */
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
