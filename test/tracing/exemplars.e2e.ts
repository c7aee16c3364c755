import { afterAll, beforeAll, expect, test } from 'vitest';
import { ServiceProcess } from '../e2e/process.ts';
import { Collector } from './collector.ts';
import { makeTraceparent } from './traceparent.ts';

/** Accept header of Prometheus 3. */
const ACCEPT =
  'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2';

let collector: Collector;
let service: ServiceProcess;

beforeAll(async () => {
  collector = await Collector.start();
  service = await ServiceProcess.start({ ...collector.environment, LOSSMETER_WORKERS: '1' });
});

afterAll(async () => {
  await service.end();
  await collector[Symbol.asyncDispose]();
});

async function scrape(accept: string): Promise<{ type: string | null; lines: string[] }> {
  const response = await fetch(`${service.url}/metrics`, { headers: { accept } });
  return { type: response.headers.get('content-type'), lines: (await response.text()).trimEnd().split('\n') };
}

async function evaluate(flags: '00' | '01'): Promise<string> {
  const { traceId, traceparent } = makeTraceparent(flags);
  const response = await fetch(`${service.url}/v1/cross-entropy`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', traceparent },
    body: JSON.stringify({ logits: [[1, 2, 3]], label: [2] }),
  });
  await response.text();
  return traceId;
}

test('histograms have the last traced request of a bucket as their exemplar', async () => {
  const traceId = await evaluate('01');
  const { request } = await collector.trace(traceId);
  const { type, lines } = await scrape(ACCEPT);
  expect(type).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
  const exemplar = new RegExp(
    String.raw`\} \d+ # \{trace_id="${traceId}",span_id="${request.spanId}"\} [\d.e-]+ \d{10}\.\d+$`,
  );
  const found = lines.filter((line) => exemplar.test(line)).map((line) => line.split('{')[0]);
  expect(new Set(found)).toEqual(
    new Set(['lossmeter_http_request_duration_seconds_bucket', 'lossmeter_evaluation_seconds_bucket']),
  );
});

test('a request that is not sampled is no exemplar', async () => {
  const traceId = await evaluate('00');
  expect((await scrape(ACCEPT)).lines.join('\n')).not.toContain(traceId);
});

test('the text is that of OpenMetrics, with the same values as that of Prometheus', async () => {
  await evaluate('01');
  const prometheus = await scrape('text/plain');
  const open = await scrape(ACCEPT);
  expect(open.lines.at(-1)).toBe('# EOF');
  expect(open.lines).toContain('# TYPE lossmeter_evaluations counter');
  expect(prometheus.type).toBe('text/plain; version=0.0.4; charset=utf-8');
  expect(prometheus.lines.join('\n')).not.toMatch(/# \{|# EOF/);
  const namesOf = (lines: readonly string[]): Set<string> =>
    new Set(lines.filter((line) => line !== '' && !line.startsWith('#')).map((line) => /^\w+/.exec(line)![0]));
  expect(namesOf(open.lines)).toEqual(namesOf(prometheus.lines));
  // A second scrape: an answer in another format must not change later answers.
  expect(namesOf((await scrape('*/*')).lines)).toEqual(namesOf(prometheus.lines));
});
