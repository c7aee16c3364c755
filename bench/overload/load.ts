import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { notMeasured } from '../comparison.ts';
import type { Comparison } from '../comparison.ts';
import { SHOWS_MEMORY, residentMegabytes } from '../resident-memory.ts';
import { startService } from '../service.ts';
import { median, percentile } from '../statistics.ts';
import { ClientThread } from './client-thread.ts';
import type { RequestBytes } from './connection.ts';
import { askingRequest, fileRequest, largeRequest, probe, smallRequest } from './requests.ts';
import { run } from './traffic.ts';
import type { Traffic } from './traffic.ts';

const IN_FLIGHT = 16;
const BYTES_IN_FLIGHT = 2 ** 28;
const LIMITS = {
  LOSSMETER_MAX_REQUESTS_IN_FLIGHT: String(IN_FLIGHT),
  LOSSMETER_MAX_QUEUED_REQUESTS: String(IN_FLIGHT),
  LOSSMETER_MAX_BYTES_IN_FLIGHT: String(BYTES_IN_FLIGHT),
};

/** Requested load as a multiple of the capacity. */
const OVERLOAD = 2;
/** Largest number of clients with a pending request. Requests of further clients are counted as unsent. */
const MAX_CONNECTIONS = 1024;
/**
 * Milliseconds of each capacity measurement. The capacity is measured before and after the load, because the machine's
 * speed changes within minutes.
 */
const CAPACITY_MS = 4000;
const PROBES_PER_SECOND = 50;
const SAMPLE_EVERY_MS = 100;

const GOALS = {
  goodput: { atLeast: 0.85 },
  refused: { atMost: 100 },
  livez: { atMost: 50 },
  memory: { atMost: 300 },
} as const;

interface Workload {
  what: string;
  request: (folder: string) => RequestBytes;
  /** Milliseconds of warm-up. V8 keeps optimizing the many short functions of a request for about ten thousand requests. */
  warmUpMs: number;
  isMain?: boolean;
}

const WORKLOADS: readonly Workload[] = [
  // The clients share the processors with the service. In the first workload they take almost no time, so it shows only
  // the service. The other workloads include clients that send bodies, reconnect after each rejection, and are late.
  { what: 'local file of 66 MB', request: fileRequest, warmUpMs: 3000, isMain: true },
  { what: '4 MB, clients ask first', request: askingRequest, warmUpMs: 3000 },
  { what: '32 KB', request: smallRequest, warmUpMs: 5000 },
  { what: '4 MB, clients send unasked', request: largeRequest, warmUpMs: 3000 },
];

/** Measures the service at twice its capacity. */
export async function benchLoad({
  mainSeconds,
  seconds,
}: {
  mainSeconds: number;
  seconds: number;
}): Promise<Comparison[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'lossmeter-bench-'));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  process.once('exit', remove);
  try {
    const comparisons: Comparison[] = [];
    for (const workload of WORKLOADS) {
      comparisons.push(...(await overload(workload, folder, workload.isMain === true ? mainSeconds : seconds)));
    }
    return comparisons;
  } finally {
    remove();
    process.off('exit', remove);
  }
}

async function overload(workload: Workload, folder: string, seconds: number): Promise<Comparison[]> {
  const request = workload.request(folder);
  await using service = await startService({ environment: { ...LIMITS, LOSSMETER_DATA_DIR: folder } });
  await using clients = new ClientThread();
  const { port } = service;
  const atCapacity = (milliseconds: number): Promise<Traffic> =>
    clients.run({ kind: 'closed', port, requests: [request], connections: IN_FLIGHT, milliseconds });

  await atCapacity(workload.warmUpMs);
  const before = perSecond(await atCapacity(CAPACITY_MS));
  const memory = watchMemory(service.process.pid!);
  const milliseconds = seconds * 1000;
  const open = { kind: 'open', port, maxConnections: MAX_CONNECTIONS, milliseconds } as const;
  const [traffic, probes] = await Promise.all([
    clients.run({ ...open, request, perSecond: OVERLOAD * before }),
    run({ ...open, request: probe(), perSecond: PROBES_PER_SECOND }),
  ]);
  const peak = memory.peak();
  const after = perSecond(await atCapacity(CAPACITY_MS));
  return report(`${workload.what}, ${OVERLOAD}× for ${seconds} s`, { before, after, traffic, probes, peak });
}

interface Observations {
  /** Requests per second at capacity. */
  before: number;
  after: number;
  traffic: Traffic;
  probes: Traffic;
  peak: number | undefined;
}

function report(load: string, { before, after, traffic, probes, peak }: Observations): Comparison[] {
  const capacity = median([before, after]);
  const goodput = perSecond(traffic);
  const what = (aspect: string): string => `${load}: ${aspect}`;
  return [
    {
      what: what('goodput'),
      figure: `${goodput.toFixed(0)} answers/s`,
      against: `capacity ${before.toFixed(0)}, then ${after.toFixed(0)}/s`,
      value: goodput / capacity,
      unit: '×',
      goal: GOALS.goodput,
      notes: [
        ...(traffic.losses.length > 1 ? [`DIFFERENT LOSSES ${traffic.losses.join(' ')}`] : []),
        describe(traffic),
        `answered ${quantiles(traffic.after['200'])}`,
      ],
    },
    refusals(what('refusals'), traffic),
    {
      what: what('/livez'),
      figure: `p99 ${percentile(probes.after['200'] ?? [Infinity], 99).toFixed(1)} ms`,
      against: '',
      value: percentile(probes.after['200'] ?? [Infinity], 99),
      unit: 'ms',
      goal: GOALS.livez,
      notes: [`${quantiles(probes.after['200'])}; ${probes.unanswered} without an answer`],
    },
    resident(what('memory'), peak),
  ];
}

function refusals(what: string, { after, withoutRetryAfter }: Traffic): Comparison {
  const refused = after['429'] ?? [];
  const row = { what, unit: 'ms', goal: GOALS.refused } as const;
  if (refused.length === 0) return notMeasured(row, 'none was refused');
  const p99 = percentile(refused, 99);
  return {
    ...row,
    figure: `p99 ${p99.toFixed(1)} ms`,
    against: '',
    value: p99,
    notes: [`${quantiles(refused)}; ${withoutRetryAfter} without Retry-After`],
  };
}

function resident(what: string, peak: number | undefined): Comparison {
  const row = { what, unit: 'MB', goal: GOALS.memory } as const;
  if (peak === undefined) return notMeasured(row, 'it needs the /proc of Linux');
  const configured = BYTES_IN_FLIGHT / 1e6;
  const figure = `peak ${peak.toFixed(0)} MB`;
  return { ...row, figure, against: `bytes in flight ${configured.toFixed(0)} MB`, value: peak - configured };
}

function perSecond({ counts, seconds }: Traffic): number {
  return (counts['200'] ?? 0) / seconds;
}

function quantiles(milliseconds: readonly number[] = []): string {
  if (milliseconds.length === 0) return 'none';
  const [p50, p99, max] = [50, 99, 100].map((percent) => percentile(milliseconds, percent).toFixed(1));
  return `p50 ${p50} ms, p99 ${p99} ms, max ${max} ms`;
}

function describe({ counts, unanswered, unsent, connections, busy }: Traffic): string {
  const answers = Object.entries(counts).map(([what, count]) => `${count} × ${what}`);
  return `${answers.join(', ')}, ${unanswered} without an answer, ${unsent} not sent; at most ${connections} connections; the clients' thread was busy for ${(100 * busy).toFixed(0)} % of the time`;
}

/** Samples the resident memory of a process until its peak is requested. */
function watchMemory(pid: number): { peak: () => number | undefined } {
  if (!SHOWS_MEMORY) return { peak: () => undefined };
  let peak = 0;
  const look = (): void => {
    peak = Math.max(peak, residentMegabytes(pid).now);
  };
  const timer = setInterval(look, SAMPLE_EVERY_MS);
  return {
    peak: () => {
      clearInterval(timer);
      look();
      return peak;
    },
  };
}
