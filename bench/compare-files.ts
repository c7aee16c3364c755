import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Comparison as Answer } from '../src/contract/kl-divergence.ts';
import { requireAgreement } from './agreement.ts';
import { notMeasured } from './comparison.ts';
import type { Comparison } from './comparison.ts';
import { makeLabels, makeLogits } from './logits.ts';
import { fileHead } from './request.ts';
import { SHOWS_MEMORY, watchMemory } from './resident-memory.ts';
import { startService } from './service.ts';
import { gigabytesPerSecond, mean } from './statistics.ts';

const ROWS = 32768;
const CLASSES = 32768;
/** Number of different rows, 2 MiB; the files repeat them. */
const BLOCK_ROWS = 16;
const FILE_BYTES = ROWS * CLASSES * Float32Array.BYTES_PER_ELEMENT;
const SETTLE_MS = 500;

const OVER_IDLE = {
  what: `memory while two files of ${FILE_BYTES / 2 ** 30} GiB are compared`,
  unit: 'MB',
  goal: { atMost: 300 },
} as const;

/** Measures the resident memory of the service while it compares two files of the data directory. */
export async function benchComparedFiles(): Promise<Comparison[]> {
  if (!SHOWS_MEMORY) return [notMeasured(OVER_IDLE, 'it needs the /proc of Linux')];
  const folder = mkdtempSync(path.join(tmpdir(), 'lossmeter-bench-'));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  process.once('exit', remove);
  try {
    const logits = makeLogits('float32', BLOCK_ROWS, CLASSES);
    const values = new Float32Array(logits.buffer, logits.byteOffset, BLOCK_ROWS * CLASSES);
    const reference = values.map((x, k) => x + 0.1 * Math.sin(k));
    const expected = mean(Float64Array.from({ length: BLOCK_ROWS }, (_, row) => divergenceOf(reference, values, row)));
    write(path.join(folder, 'logits.safetensors'), logits);
    write(path.join(folder, 'reference.safetensors'), Buffer.from(reference.buffer));
    return [await measure(folder, expected)];
  } finally {
    remove();
    process.off('exit', remove);
  }
}

async function measure(folder: string, expected: number): Promise<Comparison> {
  await using service = await startService({ environment: { LOSSMETER_DATA_DIR: folder } });
  const pid = service.process.pid!;
  await sleep(SETTLE_MS);
  const { result, seconds, idle, peak, curve } = await watchMemory(pid, async () => {
    const answer = await fetch(`http://127.0.0.1:${service.port}/v1/kl-divergence`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        reference: { file: 'reference.safetensors', tensor: 'logits' },
        logits: { file: 'logits.safetensors', tensor: 'logits' },
      }),
    });
    return (await answer.json()) as Answer;
  });
  requireAgreement('compared files', [result.kl_divergence.mean!], [expected]);
  return {
    ...OVER_IDLE,
    figure: `peak ${peak.toFixed(0)} MB`,
    against: `idle ${idle.toFixed(0)} MB`,
    value: peak - idle,
    ratio: peak / idle,
    notes: [
      `${gigabytesPerSecond(2 * FILE_BYTES, 1000 * seconds).toFixed(2)} GB/s of both files; resident MB: ${curve}`,
    ],
  };
}

function write(file: string, block: Uint8Array): void {
  const fd = openSync(file, 'w');
  writeAll(fd, fileHead([ROWS, CLASSES], makeLabels(ROWS, CLASSES)));
  for (let row = 0; row < ROWS; row += BLOCK_ROWS) writeAll(fd, block);
  closeSync(fd);
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.byteLength;) written += writeSync(fd, bytes, written);
}

/** KL(P‖Q) of a row in float64. */
function divergenceOf(p: Float32Array, q: Float32Array, row: number): number {
  const [x, y] = [p, q].map((all) => all.subarray(row * CLASSES, (row + 1) * CLASSES)) as [Float32Array, Float32Array];
  const [a, b] = [x, y].map((one) => Math.log(one.reduce((sum, v) => sum + Math.exp(v), 0))) as [number, number];
  return x.reduce((sum, v, c) => {
    const d = y[c]! - b - (v - a);
    return sum + Math.exp(v - a) * (Math.expm1(d) - d);
  }, 0);
}
