import { requestsPerSecond } from './closed-loop.ts';
import type { Comparison } from './comparison.ts';
import { makeLabels, makeLogits } from './logits.ts';
import { MEDIA_TYPE, PATH, requestHead } from './request.ts';
import { startBaseline, startService } from './service.ts';
import type { ChildServer } from './service.ts';
import { interleave, median } from './statistics.ts';

const ROWS = 8;
const CLASSES = 1000;
const CONNECTIONS = 8;
/** V8 goes on compiling the many short functions of a request for some ten thousand requests. */
const WARM_UP_MS = 5000;
const ROUNDS = 7;
const ROUND_MS = 500;

/** Requests whose logits are few, against a route that reads the same body and answers a constant. */
export async function benchSmall(): Promise<Comparison[]> {
  const request = httpRequest(
    Buffer.concat([requestHead([ROWS, CLASSES], makeLabels(ROWS, CLASSES)), makeLogits('float32', ROWS, CLASSES)]),
  );
  await using bare = await startBaseline('bare-fastify');
  await using service = await startService();
  const run = ({ port }: ChildServer, milliseconds: number): Promise<number> =>
    requestsPerSecond(port, { request, connections: CONNECTIONS, milliseconds });

  for (const server of [bare, service]) await run(server, WARM_UP_MS);
  const ofBare: number[] = [];
  const ofService: number[] = [];
  await interleave(ROUNDS, [
    async () => void ofBare.push(await run(bare, ROUND_MS)),
    async () => void ofService.push(await run(service, ROUND_MS)),
  ]);
  return [
    {
      what: `small requests, ${ROWS} × ${CLASSES} float32, ${CONNECTIONS} connections`,
      figure: `${median(ofService).toFixed(0)} requests/s`,
      against: `bare Fastify ${median(ofBare).toFixed(0)} requests/s`,
      value: median(ofService) / median(ofBare),
      unit: '×',
      goal: { atLeast: 0.7 },
    },
  ];
}

function httpRequest(body: Buffer): Buffer {
  const header = [
    `POST ${PATH} HTTP/1.1`,
    'host: 127.0.0.1',
    `content-type: ${MEDIA_TYPE}`,
    `content-length: ${body.byteLength}`,
  ];
  return Buffer.concat([Buffer.from(`${header.join('\r\n')}\r\n\r\n`), body]);
}
