import { Kernel } from '../kernels/kernel.ts';
import { requireAgreement } from './agreement.ts';
import { forEachBlock, kernelNll, plainCoefficients } from './blocks.ts';
import type { Batch } from './blocks.ts';
import { notMeasured } from './comparison.ts';
import type { Comparison } from './comparison.ts';
import { comparePosts } from './large-request.ts';
import { makeLabels, makeLogits } from './logits.ts';
import { peerEnvironment } from './peers/environment.ts';
import { PAGE_REUSE, PyTorch } from './peers/pytorch.ts';
import { startPeer, startService } from './service.ts';
import { SMALL_REQUESTS, compareSmallRequests } from './small-requests.ts';
import { gigabytesPerSecond, interleave, mean, median, time } from './statistics.ts';

const ROWS = 1024;
const CLASSES = 32000;
/** Rounds until V8 has optimized the kernels. */
const WARM_UP_ROUNDS = 8;
const ROUNDS = 9;
/** PyTorch computes in float32 throughout. */
const LOSS_TOLERANCE = 1e-4;
const GRADIENT_TOLERANCE = 1e-7;

/** The peer's fastest setting for small tensors. Threads that wait for each other become very slow on busy cores. */
const ONE_THREAD = { OMP_NUM_THREADS: '1' };

type Row = Pick<Comparison, 'what' | 'unit' | 'goal'>;

const IN_PLACE = 'logits in its memory';
const IN_BLOCKS = 'copied in and out by blocks';
const KERNEL_ROWS = {
  forward: { what: `kernel float32, one thread, ${IN_PLACE}`, unit: '×', goal: { atLeast: 6 } },
  forwardReuse: { what: `kernel float32, one thread, ${IN_PLACE}, page reuse`, unit: '×', goal: { atLeast: 2.5 } },
  forwardBlocks: { what: `kernel float32, one thread, ${IN_BLOCKS}`, unit: '×' },
  backward: { what: `forward + gradient, one thread, ${IN_PLACE}`, unit: '×', goal: { atLeast: 6 } },
  backwardReuse: { what: `forward + gradient, one thread, ${IN_PLACE}, page reuse`, unit: '×' },
  backwardBlocks: { what: `forward + gradient, one thread, ${IN_BLOCKS}`, unit: '×' },
} as const satisfies Record<string, Row>;
const POST = { what: 'POST of 131 MB against FastAPI', unit: '×', goal: { atLeast: 3.5 } } as const;
const SMALL = { what: `${SMALL_REQUESTS}, against FastAPI`, unit: '×', goal: { atLeast: 2.5 } } as const;

/** Compares the service with the usual alternatives: PyTorch, and FastAPI on uvicorn with msgpack and PyTorch. */
export async function benchPeers(): Promise<Comparison[]> {
  const environment = await peerEnvironment();
  if ('missing' in environment) {
    const rows: Row[] = [...Object.values(KERNEL_ROWS), POST, SMALL];
    return rows.map((row) => notMeasured(row, environment.missing));
  }
  const { python } = environment;
  return [...(await benchKernels(python)), await benchPost(python), await benchSmall(python)];
}

async function benchKernels(python: string): Promise<Comparison[]> {
  const batch: Batch = {
    dtype: 'float32',
    logits: makeLogits('float32', ROWS, CLASSES),
    classes: CLASSES,
    labels: makeLabels(ROWS, CLASSES),
  };
  await using installed = new PyTorch(python, {}, batch);
  await using reusing = new PyTorch(python, PAGE_REUSE, batch);
  const whole = Kernel.load();
  const kernel = Kernel.load();
  await requireSame(installed, kernel, batch);

  const timePlaced = (action: () => void): number => {
    whole.place({ ...batch, targets: batch.labels });
    return time(action);
  };
  const contestants: (() => number | Promise<number>)[] = [
    () => timePlaced(() => void whole.forward()),
    () => timePlaced(() => void whole.forwardWithGradient(plainCoefficients(ROWS, 1 / ROWS))),
    () => time(() => void kernelNll(kernel, batch)),
    () => time(() => void gradientOfMean(kernel, batch)),
    ...[installed, reusing].flatMap((pytorch) =>
      (['forward', 'backward'] as const).map((action) => async () => (await pytorch.time(action)).milliseconds),
    ),
  ];
  const samples = contestants.map((): number[] => []);
  await interleave(
    WARM_UP_ROUNDS + ROUNDS,
    contestants.map((run, k) => async () => void samples[k]!.push(await run())),
  );
  const [forward, backward, forwardBlocks, backwardBlocks, ...ofPyTorch] = samples.map((milliseconds) =>
    gigabytesPerSecond(batch.logits.byteLength, median(milliseconds.slice(WARM_UP_ROUNDS))),
  ) as [number, number, number, number, number, number, number, number];
  const [installedForward, installedBackward, reusingForward, reusingBackward] = ofPyTorch;
  const compare = (row: Row, ours: number, theirs: number, how: string): Comparison => ({
    ...row,
    figure: `${ours.toFixed(2)} GB/s`,
    against: `PyTorch ${how} ${theirs.toFixed(2)} GB/s`,
    value: ours / theirs,
  });
  return [
    compare(KERNEL_ROWS.forward, forward, installedForward, 'as installed'),
    compare(KERNEL_ROWS.forwardReuse, forward, reusingForward, 'with page reuse'),
    compare(KERNEL_ROWS.forwardBlocks, forwardBlocks, installedForward, 'as installed'),
    compare(KERNEL_ROWS.backward, backward, installedBackward, 'as installed'),
    compare(KERNEL_ROWS.backwardReuse, backward, reusingBackward, 'with page reuse'),
    compare(KERNEL_ROWS.backwardBlocks, backwardBlocks, installedBackward, 'as installed'),
  ];
}

/** Gradient of the mean loss in blocks, as the service returns it. */
function gradientOfMean(kernel: Kernel, batch: Batch): Uint8Array<ArrayBuffer>[] {
  const blocks: Uint8Array<ArrayBuffer>[] = [];
  forEachBlock(kernel, batch, (_, rows) => {
    kernel.forwardWithGradient(plainCoefficients(rows, 1 / ROWS));
    blocks.push(kernel.gradient('float32'));
  });
  return blocks;
}

async function requireSame(pytorch: PyTorch, kernel: Kernel, batch: Batch): Promise<void> {
  const gradient = Buffer.concat(gradientOfMean(kernel, batch));
  const atLabels = Array.from(batch.labels, (label, row) => gradient.readFloatLE(4 * (row * CLASSES + label)));
  const expected = await pytorch.time('backward');
  requireAgreement('loss of PyTorch', [expected.loss], [mean(kernelNll(kernel, batch))], LOSS_TOLERANCE);
  requireAgreement('gradient of PyTorch', expected.gradient!, atLabels, GRADIENT_TOLERANCE);
}

async function benchPost(python: string): Promise<Comparison> {
  await using peer = await startPeer(python);
  await using service = await startService();
  const { times } = await comparePosts([peer, service].map((server) => ({ server, evaluates: true })));
  const [ofPeer, ofService] = times;
  return {
    ...POST,
    figure: ofService!.figure,
    against: `FastAPI + PyTorch ${ofPeer!.figure}`,
    value: ofPeer!.milliseconds / ofService!.milliseconds,
  };
}

async function benchSmall(python: string): Promise<Comparison> {
  await using peer = await startPeer(python, ONE_THREAD);
  await using service = await startService();
  const [ofPeer, ofService] = await compareSmallRequests([peer, service]);
  return {
    ...SMALL,
    figure: `${ofService!.perSecond.toFixed(0)} requests/s`,
    against: `FastAPI + PyTorch ${ofPeer!.perSecond.toFixed(0)} requests/s`,
    value: ofService!.perSecond / ofPeer!.perSecond,
  };
}
