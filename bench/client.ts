import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { notMeasured } from './comparison.ts';
import type { Comparison } from './comparison.ts';
import { peerEnvironment } from './peers/environment.ts';
import { SHOWS_MEMORY } from './resident-memory.ts';
import { startService } from './service.ts';
import { median } from './statistics.ts';

const SCRIPT = `${import.meta.dirname}/peers/python_client.py`;
const SOURCES = `${import.meta.dirname}/../clients/python/src`;
const ROUNDS = 15;
const END_WITHIN_MS = 120_000;

const TIME = { what: 'Python client, 131 MB of float32', unit: '×', goal: { atMost: 1.15 } } as const;
const MEMORY = { what: 'memory of the Python client at its peak', unit: 'MB', goal: { atMost: 32 } } as const;
const GRADIENT = { ...MEMORY, what: 'the same with the gradient, beyond the gradient itself' } as const;

/** Compares the Python client with Python's http.client, which posts prepared bytes. */
export async function benchClient(): Promise<Comparison[]> {
  const environment = await peerEnvironment();
  if ('missing' in environment) return [TIME, MEMORY, GRADIENT].map((row) => notMeasured(row, environment.missing));
  await using service = await startService();
  const run = async (...args: string[]): Promise<unknown> => {
    const { stdout } = await promisify(execFile)(environment.python, [SCRIPT, ...args], {
      env: { ...process.env, PYTHONPATH: SOURCES },
      timeout: END_WITHIN_MS,
    });
    return JSON.parse(stdout);
  };

  const port = String(service.port);
  const { bare, client } = (await run('time', port, String(ROUNDS))) as Record<'bare' | 'client', number[]>;
  const [own, against] = [median(client), median(bare)];
  const time: Comparison = {
    ...TIME,
    figure: `${(own * 1000).toFixed(1)} ms`,
    against: `http.client ${(against * 1000).toFixed(1)} ms`,
    value: own / against,
  };
  if (!SHOWS_MEMORY) return [time, ...[MEMORY, GRADIENT].map((row) => notMeasured(row, 'it needs the /proc of Linux'))];
  const taken = (await run('memory', port)) as Record<'loss' | 'gradient', number>;
  const memory = (row: typeof MEMORY | typeof GRADIENT, bytes: number): Comparison => {
    const value = bytes / 1e6;
    return { ...row, figure: `${value.toFixed(1)} MB`, against: 'before the request', value };
  };
  return [time, memory(MEMORY, taken.loss), memory(GRADIENT, taken.gradient)];
}
