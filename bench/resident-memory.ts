import { existsSync, readFileSync } from 'node:fs';
import { thin } from './statistics.ts';

/** True when the memory of other processes is available, from Linux's /proc. */
export const SHOWS_MEMORY = existsSync('/proc/self/status');

/** Memory in megabytes of 10⁶ bytes: VmRSS, and VmHWM, the peak since the start of the process. */
export function residentMegabytes(pid: number): { now: number; highest: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name: string): number =>
    (Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024) / 1e6;
  return { now: field('VmRSS'), highest: field('VmHWM') };
}

/** Milliseconds between two readings. */
const SAMPLE_EVERY_MS = 50;
const CURVE_POINTS = 24;

interface Watched<R> {
  result: R;
  seconds: number;
  /** Megabytes before, at the peak, and at every reading. */
  idle: number;
  peak: number;
  samples: number[];
  /** Up to CURVE_POINTS of the readings, as text. */
  curve: string;
}

/** Samples the resident memory of a process during `work`. */
export async function watchMemory<R>(pid: number, work: () => Promise<R>): Promise<Watched<R>> {
  const idle = residentMegabytes(pid);
  const samples: number[] = [];
  const sampler = setInterval(() => samples.push(residentMegabytes(pid).now), SAMPLE_EVERY_MS);
  try {
    const started = performance.now();
    const result = await work();
    const seconds = (performance.now() - started) / 1000;
    const { highest } = residentMegabytes(pid);
    // When the highest value did not rise, it dates from the start of the process.
    const peak = highest > idle.highest ? highest : Math.max(...samples);
    const curve = thin(samples, CURVE_POINTS).map((megabytes) => megabytes.toFixed(0));
    return { result, seconds, idle: idle.now, peak, samples, curve: curve.join(' ') };
  } finally {
    clearInterval(sampler);
  }
}
