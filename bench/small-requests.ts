import { requestsPerSecond } from './closed-loop.ts';
import { makeLabels, makeLogits } from './logits.ts';
import { httpRequest, requestHead } from './request.ts';
import { SHOWS_PROCESSOR_TIME, processorMilliseconds } from './processor-time.ts';
import type { ChildServer } from './service.ts';
import { interleave, median } from './statistics.ts';

const ROWS = 8;
const CLASSES = 1000;
const CONNECTIONS = 8;
/** V8 keeps optimizing the many short functions of a request for about ten thousand requests. */
const WARM_UP_MS = 5000;
const ROUNDS = 7;
const ROUND_MS = 500;

export const SMALL_REQUESTS = `small requests, ${ROWS} × ${CLASSES} float32, ${CONNECTIONS} connections`;

/** Throughput and cost of requests with few logits. */
export interface SmallRequests {
  perSecond: number;
  /** Microseconds of processor time per request; undefined where it is not available. */
  microseconds: number | undefined;
}

/** Sends requests with few logits to each server in turn. */
export async function compareSmallRequests(servers: readonly ChildServer[]): Promise<SmallRequests[]> {
  const logits = makeLogits('float32', ROWS, CLASSES);
  const body = Buffer.concat([requestHead([ROWS, CLASSES], makeLabels(ROWS, CLASSES)), logits]);
  const request = httpRequest(body);
  const run = async ({ port, process }: ChildServer, milliseconds: number): Promise<Required<SmallRequests>> => {
    const before = SHOWS_PROCESSOR_TIME ? processorMilliseconds(process.pid!) : Number.NaN;
    const { answered, perSecond } = await requestsPerSecond(port, { request, connections: CONNECTIONS, milliseconds });
    const taken = SHOWS_PROCESSOR_TIME ? processorMilliseconds(process.pid!) - before : Number.NaN;
    return { perSecond, microseconds: (1000 * taken) / answered };
  };

  for (const server of servers) await run(server, WARM_UP_MS);
  const samples = servers.map((): SmallRequests[] => []);
  await interleave(
    ROUNDS,
    servers.map((server, k) => async () => void samples[k]!.push(await run(server, ROUND_MS))),
  );
  return samples.map((rounds) => ({
    perSecond: median(rounds.map(({ perSecond }) => perSecond)),
    microseconds: SHOWS_PROCESSOR_TIME ? median(rounds.map(({ microseconds }) => microseconds!)) : undefined,
  }));
}
