import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { loadConfig } from '../src/environment.ts';
import { evaluateFile } from '../src/pipeline/evaluate-file.ts';
import { KernelPool } from '../src/engine/pool.ts';
import { PathFiles } from '../src/files/path-files.ts';
import { HeldBytes } from '../src/wire/body/held-bytes.ts';
import { javascriptNll } from './baselines/javascript-kernel.ts';
import { requireAgreement } from './agreement.ts';
import type { Comparison } from './comparison.ts';
import { makeLabels, makeLogits } from './logits.ts';
import { fileHead } from './request.ts';
import { gigabytesPerSecond, interleave, mean, median, time } from './statistics.ts';

const ROWS = 4096;
const CLASSES = 32000;
/** Number of different rows; the file repeats them. */
const BLOCK_ROWS = 16;
const WORKERS = 2;
/** Rounds until V8 has optimized the kernel in each worker. */
const WARM_UP_ROUNDS = 5;
const ROUNDS = 9;
const READ_BYTES = 2 ** 21;

/**
 * Compares the evaluation of a file in the system's cache with reading it on one thread. It is read repeatedly into one
 * small buffer, which takes the least possible time, and into a buffer of its whole size.
 */
export async function benchLocalFile(): Promise<Comparison[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'lossmeter-bench-'));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  process.once('exit', remove);
  const file = path.join(folder, 'logits.safetensors');
  const { byteLength, loss: expectedLoss } = write(file);

  const config = loadConfig();
  const pool = new KernelPool({ ...config, workers: WORKERS, maxSlabBytes: config.maxBytesInFlight });
  const files = new PathFiles(config);
  const settings = {
    options: {},
    held: new HeldBytes(config.maxBytesInFlight),
    open: (one: string) => files.open(one),
  };
  const toEvaluate: number[] = [];
  const timeReading = (read: () => void): { samples: number[]; run: () => void } => {
    const samples: number[] = [];
    return { samples, run: () => void samples.push(time(read)) };
  };
  const piece = Buffer.allocUnsafe(READ_BYTES);
  const toRead = timeReading(() => readIn(piece, file));
  const whole = Buffer.alloc(byteLength);
  const toReadWhole = timeReading(() => readIn(whole, file));
  try {
    await interleave(WARM_UP_ROUNDS + ROUNDS, [
      async () => {
        const started = performance.now();
        const { evaluation } = await evaluateFile(pool, file, settings);
        toEvaluate.push(performance.now() - started);
        requireAgreement('local file', [evaluation.loss!], [expectedLoss]);
      },
      toRead.run,
      toReadWhole.run,
    ]);
  } finally {
    await pool.close();
    remove();
    process.off('exit', remove);
  }
  const [evaluated, read, readWhole] = [toEvaluate, toRead.samples, toReadWhole.samples].map((samples) =>
    median(samples.slice(WARM_UP_ROUNDS)),
  );
  const show = (milliseconds: number): string =>
    `${milliseconds.toFixed(1)} ms, ${gigabytesPerSecond(byteLength, milliseconds).toFixed(2)} GB/s`;
  const what = `local safetensors file of ${(byteLength / 1e6).toFixed(0)} MB, ${WORKERS} workers`;
  const figure = show(evaluated!);
  return [
    {
      what,
      figure,
      against: `reading it ${show(read!)}`,
      value: evaluated! / read!,
      unit: '×',
      goal: { atMost: 1.5 },
    },
    { what, figure, against: `into memory ${show(readWhole!)}`, value: evaluated! / readWhole!, unit: '×' },
  ];
}

function write(file: string): { byteLength: number; loss: number } {
  const block = makeLogits('float32', BLOCK_ROWS, CLASSES);
  const blockLabels = makeLabels(BLOCK_ROWS, CLASSES);
  const labels = Int32Array.from({ length: ROWS }, (_, row) => blockLabels[row % BLOCK_ROWS]!);
  const fd = openSync(file, 'w');
  let byteLength = 0;
  const append = (bytes: Buffer): void => {
    for (let written = 0; written < bytes.byteLength;) written += writeSync(fd, bytes, written);
    byteLength += bytes.byteLength;
  };
  append(fileHead([ROWS, CLASSES], labels));
  for (let row = 0; row < ROWS; row += BLOCK_ROWS) append(block);
  closeSync(fd);
  return { byteLength, loss: mean(javascriptNll('float32', block, CLASSES, blockLabels)) };
}

/** Reads a whole file through one buffer. */
function readIn(bytes: Buffer, file: string): void {
  const fd = openSync(file, 'r');
  while (readSync(fd, bytes) > 0);
  closeSync(fd);
}
