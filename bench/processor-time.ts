import { existsSync, readFileSync, readdirSync } from 'node:fs';

/** True where the processor time of another process is known to the nanosecond: the /proc of Linux shows it. */
export const SHOWS_PROCESSOR_TIME = existsSync('/proc/self/schedstat');

/** Milliseconds that the threads of a process have been on a processor, those that have ended left out. */
export function processorMilliseconds(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  const nanoseconds = threads.map((thread) =>
    Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ', 1)[0]),
  );
  return nanoseconds.reduce((sum, one) => sum + one, 0) / 1e6;
}
