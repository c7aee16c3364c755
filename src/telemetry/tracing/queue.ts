import { SpanStatusCode } from '@opentelemetry/api';
import { BatchSpanProcessor } from '@opentelemetry/sdk-trace-node';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-node';
import { ATTR_HTTP_RESPONSE_STATUS_CODE } from '@opentelemetry/semantic-conventions';

/**
 * Bounded queue of spans that wait for export; it drops further spans. The variables OTEL_BSP_… configure it.
 *
 * @fastify/otel marks the span of every refused request as failed, with the text of the error, which may quote a value of
 * the request. By OpenTelemetry's conventions a fault of the client is not a failure of the span, so this queue sets the
 * status by the HTTP status, without a text.
 */
export class SpanQueue extends BatchSpanProcessor {
  override onEnd(span: ReadableSpan): void {
    const httpStatus = span.attributes[ATTR_HTTP_RESPONSE_STATUS_CODE];
    if (typeof httpStatus !== 'number') return super.onEnd(span);
    const code = httpStatus >= 500 ? SpanStatusCode.ERROR : SpanStatusCode.UNSET;
    super.onEnd(Object.create(span, { status: { value: { code }, enumerable: true } }) as ReadableSpan);
  }
}
