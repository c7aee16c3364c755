import { notMeasured } from './comparison.ts';
import type { Comparison } from './comparison.ts';
import { startBaseline, startService } from './service.ts';
import { SMALL_REQUESTS, compareSmallRequests } from './small-requests.ts';

const WHAT = `traced: processor time of ${SMALL_REQUESTS}`;

/** Compares traced requests, with all or 1 % of them sampled, with untraced requests. */
export async function benchTracing(): Promise<Comparison[]> {
  await using collector = await startBaseline('drain-server');
  const traced = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.port}` };
  const sampled = { ...traced, OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.01' };
  await using off = await startService();
  await using all = await startService({ environment: traced });
  await using some = await startService({ environment: sampled });
  const [ofOff, ...ofTraced] = await compareSmallRequests([off, all, some]);
  return ['all', '1 %'].map((share, k): Comparison => {
    const what = `${WHAT}, ${share} sampled`;
    const { microseconds } = ofTraced[k]!;
    if (microseconds === undefined) return notMeasured({ what, unit: '×' }, 'it needs the /proc of Linux');
    return {
      what,
      figure: `${microseconds.toFixed(0)} µs`,
      against: `without tracing ${ofOff!.microseconds!.toFixed(0)} µs`,
      value: microseconds / ofOff!.microseconds!,
      unit: '×',
    };
  });
}
