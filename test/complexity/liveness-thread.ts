/** Thread that probes `/livez`. */
import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import { parentPort } from 'node:worker_threads';

/** A service that is probed. */
export interface Probed {
  port: number;
  pid: number;
}

/** `take` requests the times; otherwise the service to probe, or undefined to stop. */
export type ProbeRequest = 'take' | { service: Probed | undefined };

interface Probe {
  began: number;
  waited: number;
}

const PROBE_EVERY_MS = 20;
const GIVE_UP_MS = 30_000;

let service: Probed | undefined;
let times: number[] = [];
let pending = new Set<Probe>();

parentPort!.on('message', (request: ProbeRequest) => {
  if (request !== 'take') {
    service = request.service;
    pending = new Set();
    return;
  }
  const watched = service;
  // A pending probe counts with its time so far.
  const unanswered = watched === undefined ? [] : [...pending].map((probe) => timeOf(probe, watched));
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is of windows
  parentPort!.postMessage([...times, ...unanswered]);
  times = [];
});

setInterval(() => {
  if (service === undefined) return;
  const watched = service;
  const probe = { began: performance.now(), waited: waitedForProcessor(watched) };
  const asked = pending.add(probe);
  const ended = (timeTaken: () => number): void => {
    // Failures after the end of the service do not count.
    if (asked === pending && asked.delete(probe)) times.push(timeTaken());
  };
  // A new connection for each probe, as orchestrators do.
  get({ host: '127.0.0.1', port: watched.port, path: '/livez', agent: false, timeout: GIVE_UP_MS }, (answer) => {
    answer.resume();
    answer.once('end', () => ended(() => (answer.statusCode === 200 ? timeOf(probe, watched) : Infinity)));
  }).on('error', () => ended(() => Infinity));
}, PROBE_EVERY_MS);

/** Milliseconds since a probe began, minus the time that was spent waiting for a processor. */
function timeOf({ began, waited }: Probe, watched: Probed): number {
  return performance.now() - began - (waitedForProcessor(watched) - waited);
}

/** Milliseconds that this thread and the main thread of the service were runnable but waited (/proc, schedstat). */
function waitedForProcessor({ pid }: Probed): number {
  const files = ['/proc/thread-self/schedstat', `/proc/${pid}/task/${pid}/schedstat`];
  return files.reduce((sum, file) => sum + Number(readFileSync(file, 'utf8').split(' ')[1]) / 1e6, 0);
}
