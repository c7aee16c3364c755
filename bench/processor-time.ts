import { existsSync, readFileSync, readdirSync } from 'node:fs';

/** True when the processor time of other processes is available to the nanosecond, from Linux's /proc. */
export const SHOWS_PROCESSOR_TIME = existsSync('/proc/self/schedstat');

/** Processor time of a process's living threads, in milliseconds. */
export function processorMilliseconds(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  const nanoseconds = threads.map((thread) =>
    Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ', 1)[0]),
  );
  return nanoseconds.reduce((sum, one) => sum + one, 0) / 1e6;
}
