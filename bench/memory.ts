import { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { javascriptNll } from './baselines/javascript-kernel.ts';
import { requireAgreement } from './agreement.ts';
import { notMeasured } from './comparison.ts';
import type { Comparison } from './comparison.ts';
import { makeLabels, makeLogits } from './logits.ts';
import { SAFETENSORS, fileHead, post } from './request.ts';
import { SHOWS_MEMORY, watchMemory } from './resident-memory.ts';
import { startService } from './service.ts';
import { mean } from './statistics.ts';

const ROWS = 32768;
const CLASSES = 32768;
/** Number of different rows, 2 MiB; the request repeats them. */
const BLOCK_ROWS = 16;
const SETTLE_MS = 500;

const OVER_IDLE = {
  what: `memory while ${(ROWS * CLASSES * Float32Array.BYTES_PER_ELEMENT) / 2 ** 30} GiB of safetensors stream through`,
  unit: 'MB',
  goal: { atMost: 300 },
} as const;

/** Growth in the second half, at most a tenth of the allowed memory: the curve must be flat. */
const GROWTH = { what: 'the same, second half', unit: 'MB', goal: { atMost: 30 } } as const;

/** Measures the resident memory of the service while it receives a tensor larger than its memory limit. */
export async function benchMemory(): Promise<Comparison[]> {
  if (!SHOWS_MEMORY) {
    return [OVER_IDLE, GROWTH].map((row) => notMeasured(row, 'it needs the /proc of Linux'));
  }
  const block = makeLogits('float32', BLOCK_ROWS, CLASSES);
  const blockLabels = makeLabels(BLOCK_ROWS, CLASSES);
  const labels = Int32Array.from({ length: ROWS }, (_, row) => blockLabels[row % BLOCK_ROWS]!);
  const expectedLoss = mean(javascriptNll('float32', block, CLASSES, blockLabels));
  const head = fileHead([ROWS, CLASSES], labels);
  const byteLength = head.byteLength + (ROWS / BLOCK_ROWS) * block.byteLength;
  const chunks = repeat(head, block, ROWS / BLOCK_ROWS);

  await using service = await startService();
  const pid = service.process.pid!;
  const agent = new Agent();
  await sleep(SETTLE_MS);
  try {
    const { result: loss, ...watched } = await watchMemory(pid, () =>
      post(service.port, agent, { mediaType: SAFETENSORS, byteLength, chunks }),
    );
    requireAgreement('streamed POST', [loss], [expectedLoss]);

    const { seconds, idle, peak, samples, curve } = watched;
    const halves = [samples.slice(0, samples.length >> 1), samples.slice(samples.length >> 1)];
    const [first, second] = halves.map((half) => Math.max(...half));
    return [
      {
        ...OVER_IDLE,
        figure: `peak ${peak.toFixed(0)} MB`,
        against: `idle ${idle.toFixed(0)} MB`,
        value: peak - idle,
        ratio: peak / idle,
        notes: [`resident MB in the course of ${seconds.toFixed(1)} s: ${curve}`, `loss ${loss}`],
      },
      {
        ...GROWTH,
        figure: `peak ${second!.toFixed(0)} MB`,
        against: `first half ${first!.toFixed(0)} MB`,
        value: second! - first!,
        ratio: second! / first!,
      },
    ];
  } finally {
    agent.destroy();
  }
}

function* repeat(head: Buffer, block: Buffer, times: number): Generator<Buffer> {
  yield head;
  for (let k = 0; k < times; k++) yield block;
}
