/** Clients that upload one body after another, on their own thread, so that they do not block the measuring thread. */
import { parentPort, workerData } from 'node:worker_threads';
import { requestsPerSecond } from './closed-loop.ts';

export interface Uploads {
  port: number;
  /** The bytes of an HTTP request. */
  request: Uint8Array;
  connections: number;
  milliseconds: number;
}

const { port, request, ...uploads } = workerData as Uploads;
const { buffer, byteOffset, byteLength } = request;
const { perSecond } = await requestsPerSecond(port, {
  request: Buffer.from(buffer, byteOffset, byteLength),
  ...uploads,
});
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is of windows
parentPort!.postMessage(perSecond);
