import { SpanStatusCode } from '@opentelemetry/api';
import { BatchSpanProcessor } from '@opentelemetry/sdk-trace-node';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-node';
import { ATTR_HTTP_RESPONSE_STATUS_CODE } from '@opentelemetry/semantic-conventions';

/**
 * Spans that wait for their export: a bounded number, which drops what is beyond. The variables OTEL_BSP_… set it.
 *
 * @fastify/otel marks the span of every refused request as failed, with the text of the error, which may quote a value of
 * the request. OpenTelemetry's conventions want neither for a fault of the client: the status follows that of HTTP.
 */
export class SpanQueue extends BatchSpanProcessor {
  override onEnd(span: ReadableSpan): void {
    const httpStatus = span.attributes[ATTR_HTTP_RESPONSE_STATUS_CODE];
    if (typeof httpStatus !== 'number') return super.onEnd(span);
    const code = httpStatus >= 500 ? SpanStatusCode.ERROR : SpanStatusCode.UNSET;
    super.onEnd(Object.create(span, { status: { value: { code }, enumerable: true } }) as ReadableSpan);
  }
}
