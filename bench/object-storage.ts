/**
 * Compares the evaluation of an object with that of the same local file: `npm run bench:s3 -- step.safetensors
 * s3://bucket/step.safetensors`, with the variables of AWS. A storage server on this machine takes processor time from
 * the evaluation.
 */
import { loadConfig } from '../src/environment.ts';
import { KernelPool } from '../src/engine/pool.ts';
import { PathFiles } from '../src/files/path-files.ts';
import { evaluateFile } from '../src/pipeline/evaluate-file.ts';
import { HeldBytes } from '../src/wire/body/held-bytes.ts';
import { requireAgreement } from './agreement.ts';
import { gigabytesPerSecond, interleave, median } from './statistics.ts';

const WORKERS = 2;
const WARM_UP_ROUNDS = 1;
const ROUNDS = 5;
/**
 * Bytes of a range, and number of simultaneous ranges, of the download without evaluation. They equal those of an
 * evaluation.
 */
const RANGE_BYTES = 2 ** 21;
const AT_ONCE = 12;

const [file, object] = process.argv.slice(2);
if (file === undefined || object === undefined) throw new Error('usage: npm run bench:s3 -- FILE s3://bucket/key');

const config = loadConfig();
const files = new PathFiles(config);
const pool = new KernelPool({ ...config, workers: WORKERS, maxSlabBytes: config.maxBytesInFlight / 4 });
const settings = {
  options: {},
  open: (path: string) => files.open(path),
  held: new HeldBytes(config.maxBytesInFlight),
};

/** Downloads an object range by range. @returns its bytes */
function download(): Promise<number> {
  return files.opener(object!)('an object', async (opened) => {
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next < opened.size) {
        const from = next;
        next += RANGE_BYTES;
        await opened.read(from, Math.min(RANGE_BYTES, opened.size - from));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    await opened.close();
    return opened.size;
  });
}

interface Round {
  milliseconds: number;
  /** Processor time of this process, in milliseconds. */
  processor: number;
}

async function measure(action: () => Promise<unknown>): Promise<Round> {
  const [started, used] = [performance.now(), process.cpuUsage()];
  await action();
  const { user, system } = process.cpuUsage(used);
  return { milliseconds: performance.now() - started, processor: (user + system) / 1000 };
}

const rounds = { 'local file': [] as Round[], object: [] as Round[], 'download alone': [] as Round[] };
const losses = new Map<string, number>();
let bytes = 0;
const evaluate = async (path: string): Promise<void> => {
  const { evaluation } = await evaluateFile(pool, path, settings);
  losses.set(path, evaluation.loss!);
};

await interleave(WARM_UP_ROUNDS + ROUNDS, [
  async () => void rounds['local file'].push(await measure(() => evaluate(file))),
  async () => void rounds.object.push(await measure(() => evaluate(object))),
  async () => void rounds['download alone'].push(await measure(async () => (bytes = await download()))),
]);
requireAgreement('object', [losses.get(object)!], [losses.get(file)!]);
for (const [name, all] of Object.entries(rounds)) {
  const counted = all.slice(WARM_UP_ROUNDS);
  const [milliseconds, processor] = [
    median(counted.map((one) => one.milliseconds)),
    median(counted.map((one) => one.processor)),
  ];
  console.log(
    `${name}: ${milliseconds.toFixed(0)} ms, ${gigabytesPerSecond(bytes, milliseconds).toFixed(2)} GB/s, ${processor.toFixed(0)} ms of processor time`,
  );
}
await pool.close();
await files.storage.close();
