import { requestsPerSecond } from './closed-loop.ts';
import { makeLabels, makeLogits } from './logits.ts';
import { httpRequest, requestHead } from './request.ts';
import type { ChildServer } from './service.ts';
import { interleave, median } from './statistics.ts';

const ROWS = 8;
const CLASSES = 1000;
const CONNECTIONS = 8;
/** V8 goes on compiling the many short functions of a request for some ten thousand requests. */
const WARM_UP_MS = 5000;
const ROUNDS = 7;
const ROUND_MS = 500;

export const SMALL_REQUESTS = `small requests, ${ROWS} × ${CLASSES} float32, ${CONNECTIONS} connections`;

/** Requests of few logits that each server answers per second. */
export async function compareSmallRequests(servers: readonly ChildServer[]): Promise<number[]> {
  const logits = makeLogits('float32', ROWS, CLASSES);
  const body = Buffer.concat([requestHead([ROWS, CLASSES], makeLabels(ROWS, CLASSES)), logits]);
  const request = httpRequest(body);
  const run = ({ port }: ChildServer, milliseconds: number): Promise<number> =>
    requestsPerSecond(port, { request, connections: CONNECTIONS, milliseconds });

  for (const server of servers) await run(server, WARM_UP_MS);
  const samples = servers.map((): number[] => []);
  await interleave(
    ROUNDS,
    servers.map((server, k) => async () => void samples[k]!.push(await run(server, ROUND_MS))),
  );
  return samples.map(median);
}
