import { expect } from 'vitest';
import type { Collector, Trace } from './collector.ts';
import { makeTraceparent } from './traceparent.ts';

/** Records a pair in a new trace. @returns the trace */
export async function record(collector: Collector, url: string, path: string, status: number): Promise<Trace> {
  const { traceId, traceparent } = makeTraceparent();
  const response = await fetch(`${url}/v1/runs/${path}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json', traceparent },
    body: JSON.stringify({ numerator: 4, denominator: 2 }),
  });
  expect(response.status, await response.text()).toBe(status);
  return collector.trace(traceId);
}
