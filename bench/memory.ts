import { existsSync, readFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { javascriptNll } from './baselines/javascript-kernel.ts';
import { requireAgreement } from './agreement.ts';
import type { Comparison } from './comparison.ts';
import { makeLabels, makeLogits } from './logits.ts';
import { post, requestHead } from './request.ts';
import { startService } from './service.ts';
import { mean, thin } from './statistics.ts';

const ROWS = 8192;
const CLASSES = 32768;
/** Rows that are sent over and over: 2 MiB of them. */
const BLOCK_ROWS = 16;
const SAMPLE_EVERY_MS = 50;
const SETTLE_MS = 500;

/** Resident memory of the service while a tensor streams through that is larger than what it may take. */
export async function benchMemory(): Promise<Comparison[]> {
  if (!existsSync('/proc/self/status')) {
    console.error('memory: left out, it needs the /proc of Linux');
    return [];
  }
  const block = makeLogits('float32', BLOCK_ROWS, CLASSES);
  const blockLabels = makeLabels(BLOCK_ROWS, CLASSES);
  const labels = Int32Array.from({ length: ROWS }, (_, row) => blockLabels[row % BLOCK_ROWS]!);
  const expectedLoss = mean(javascriptNll('float32', block, CLASSES, blockLabels));

  await using service = await startService();
  const agent = new Agent();
  await sleep(SETTLE_MS);
  const idle = residentMegabytes(service.pid);
  const samples: number[] = [];
  const sampler = setInterval(() => samples.push(residentMegabytes(service.pid).now), SAMPLE_EVERY_MS);
  try {
    const head = requestHead([ROWS, CLASSES], labels);
    const byteLength = head.byteLength + (ROWS / BLOCK_ROWS) * block.byteLength;
    const loss = await post(service.port, agent, byteLength, repeat(head, block, ROWS / BLOCK_ROWS));
    requireAgreement('streamed POST', [loss], [expectedLoss]);

    const { highest } = residentMegabytes(service.pid);
    // When it did not rise, the highest was reached at the start.
    const peak = highest > idle.highest ? highest : Math.max(...samples);
    const curve = thin(samples, 16).map((megabytes) => megabytes.toFixed(0));
    return [
      {
        what: `memory while ${(byteLength / 2 ** 30).toFixed(0)} GiB streams through`,
        figure: `peak ${peak.toFixed(0)} MB`,
        against: `idle ${idle.now.toFixed(0)} MB`,
        value: peak - idle.now,
        unit: 'MB',
        goal: { atMost: 300 },
        notes: [`resident MB in the course of the request: ${curve.join(' ')}`, `loss ${loss}`],
      },
    ];
  } finally {
    clearInterval(sampler);
    agent.destroy();
  }
}

function* repeat(head: Buffer, block: Buffer, times: number): Generator<Buffer> {
  yield head;
  for (let k = 0; k < times; k++) yield block;
}

/** Megabytes of 10⁶ bytes: VmRSS, and VmHWM, its highest since the process began. */
function residentMegabytes(pid: number): { now: number; highest: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name: string): number =>
    (Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024) / 1e6;
  return { now: field('VmRSS'), highest: field('VmHWM') };
}
