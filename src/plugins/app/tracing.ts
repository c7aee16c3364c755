import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { RequestTrace } from '../../telemetry/tracing/request-trace.ts';
import type { Tracing } from '../../telemetry/tracing/start.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Trace of the request; undefined without tracing, and for probes. */
    trace: RequestTrace | undefined;
  }
}

/** Traces requests. A trace continues the trace of the client (W3C Trace Context), and each log line contains its ids. */
export default fp<{ tracing: Tracing | undefined }>(
  async (app, { tracing }) => {
    app.decorateRequest('trace', undefined);
    if (tracing === undefined) return;
    tracing.reportTo(app.log);
    await app.register(tracing.plugin);
    app.addHook('onRequest', (request, reply, done) => {
      request.trace = traceOf(request);
      if (request.trace !== undefined) request.log = reply.log = request.log.child(request.trace.ids);
      done();
    });
  },
  { name: 'tracing' },
);

function traceOf(request: FastifyRequest): RequestTrace | undefined {
  const { span } = request.opentelemetry();
  if (span === null) return undefined;
  const { traceId, spanId } = span.spanContext();
  const ids = { trace_id: traceId, span_id: spanId };
  return {
    ids,
    exemplar: span.isRecording() ? ids : undefined,
    refused: (code, status) => {
      span.setAttribute('lossmeter.problem.code', code);
      if (status >= 500) span.setAttribute('error.type', code);
    },
  };
}
