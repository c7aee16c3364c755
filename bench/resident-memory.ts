import { existsSync, readFileSync } from 'node:fs';

/** True when the memory of other processes is available, from Linux's /proc. */
export const SHOWS_MEMORY = existsSync('/proc/self/status');

/** Memory in megabytes of 10⁶ bytes: VmRSS, and VmHWM, the peak since the start of the process. */
export function residentMegabytes(pid: number): { now: number; highest: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name: string): number =>
    (Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024) / 1e6;
  return { now: field('VmRSS'), highest: field('VmHWM') };
}
