import { existsSync, readFileSync } from 'node:fs';

/** True where the memory of a process is known: the /proc of Linux shows it. */
export const SHOWS_MEMORY = existsSync('/proc/self/status');

/** Megabytes of 10⁶ bytes: VmRSS, and VmHWM, its highest since the process began. */
export function residentMegabytes(pid: number): { now: number; highest: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name: string): number =>
    (Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024) / 1e6;
  return { now: field('VmRSS'), highest: field('VmHWM') };
}
