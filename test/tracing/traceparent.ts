import { randomBytes } from 'node:crypto';

/** A trace context in the form in which a client sends it. */
export function makeTraceparent(flags: '00' | '01' = '01'): { traceId: string; spanId: string; traceparent: string } {
  const traceId = randomBytes(16).toString('hex');
  const spanId = randomBytes(8).toString('hex');
  return { traceId, spanId, traceparent: `00-${traceId}-${spanId}-${flags}` };
}
