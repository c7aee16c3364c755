/** The thread of the probes. */
import { get } from 'node:http';
import { parentPort } from 'node:worker_threads';

/** The port to probe, or undefined to stop; or the wish for the times. */
export type ProbeRequest = 'take' | { port: number | undefined };

const PROBE_EVERY_MS = 20;
const GIVE_UP_MS = 30_000;

let port: number | undefined;
let times: number[] = [];
/** When each pending probe began. */
let pending = new Set<number>();

parentPort!.on('message', (request: ProbeRequest) => {
  if (request !== 'take') {
    port = request.port;
    pending = new Set();
    return;
  }
  // A probe that still waits counts with the time that it has waited.
  const now = performance.now();
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is of windows
  parentPort!.postMessage([...times, ...[...pending].map((began) => now - began)]);
  times = [];
});

setInterval(() => {
  if (port === undefined) return;
  const began = performance.now();
  const asked = pending.add(began);
  const ended = (milliseconds: number): void => {
    // Those of a service that was ended meanwhile are of no interest.
    if (asked === pending && asked.delete(began)) times.push(milliseconds);
  };
  // Orchestrators connect anew for each probe.
  get({ host: '127.0.0.1', port, path: '/livez', agent: false, timeout: GIVE_UP_MS }, (answer) => {
    answer.resume();
    answer.once('end', () => ended(answer.statusCode === 200 ? performance.now() - began : Infinity));
  }).on('error', () => ended(Infinity));
}, PROBE_EVERY_MS);
