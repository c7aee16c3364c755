import type { Comparison as Divergence, PlacedPair } from '../kernels/pair.ts';
import type { Elements } from '../kernels/place.ts';
import { Kernel } from '../kernels/kernel.ts';
import { NO_TARGET } from '../kernels/abi.ts';
import { ELEMENT_TYPES } from '../src/tensor/dtype.ts';
import type { KernelDType } from '../src/tensor/dtype.ts';
import { encode, seededRandom } from '../test/rows.ts';
import { requireAgreement } from './agreement.ts';
import { notMeasured } from './comparison.ts';
import type { Comparison } from './comparison.ts';
import { peerEnvironment } from './peers/environment.ts';
import { PyTorchDivergence } from './peers/pytorch-divergence.ts';
import { gigabytesPerSecond, interleave, interleavedMedians, median, time } from './statistics.ts';

/** Bytes of each tensor, more than the caches of the processor hold. */
const TENSOR_BYTES = 2 ** 25;
/** Bytes of each tensor for PyTorch, as in the bench of the peers: the allocator reuses the memory of smaller tensors. */
const PEER_BYTES = 2 ** 27;
const BLOCK_BYTES = 2 ** 21;
const ROUNDS = 7;
const WARM_UP_ROUNDS = 4;

const DTYPES: readonly KernelDType[] = ['float32', 'float16', 'bfloat16'];
const CLASSES = [32_000, 128_256];
const GOAL = { atLeast: 0.45 } as const;
/** Lines of the report. The goal applies to tensors in the memory where each side computes, as in `peers`. */
const PEER_ROWS = {
  inPlace: {
    what: 'forward KL of 32000 classes, float32, one thread, logits in its memory',
    unit: '×',
    goal: { atLeast: 5 },
  },
  inBlocks: { what: 'forward KL of 32000 classes, float32, one thread, copied in by blocks', unit: '×' },
} as const satisfies Record<string, Pick<Comparison, 'what' | 'unit' | 'goal'>>;
const FORWARD: Divergence = { direction: 'forward' };

const DIVERGENCES: readonly { name: string; divergence: Divergence; goal?: Comparison['goal'] }[] = [
  { name: 'forward KL', divergence: { direction: 'forward' }, goal: GOAL },
  { name: 'reverse KL', divergence: { direction: 'reverse' }, goal: GOAL },
  { name: 'Jensen–Shannon', divergence: { direction: 'jensen_shannon', beta: 0.5 }, goal: GOAL },
];

/** Logits of a reference and of a model that was made from it. */
export interface Pair {
  dtype: KernelDType;
  classes: number;
  rows: number;
  reference: Buffer<ArrayBuffer>;
  logits: Buffer<ArrayBuffer>;
}

/** Number of generated rows; the tensors repeat them, because generating rows takes longer than comparing them. */
const DISTINCT_ROWS = 8;

/** Makes a reference uniform in ±10, and logits that differ from it by noise in ± `noise`. */
function makePair(dtype: KernelDType, classes: number, noise: number, bytes = TENSOR_BYTES): Pair {
  const random = seededRandom(4);
  const width = ELEMENT_TYPES[dtype].bytes;
  const rows = Math.floor(bytes / (classes * width));
  const reference = Float64Array.from({ length: DISTINCT_ROWS * classes }, () => 20 * random() - 10);
  const logits = reference.map((x) => x + noise * (2 * random() - 1));
  const repeated = (values: Float64Array): Buffer<ArrayBuffer> =>
    Buffer.alloc(rows * classes * width, encode(dtype, values));
  return { dtype, classes, rows, reference: repeated(reference), logits: repeated(logits) };
}

/** Compares two sets of logits on one thread, and measures the time against the evaluation of one set and against PyTorch. */
export async function benchCompare(): Promise<Comparison[]> {
  const comparisons: Comparison[] = [];
  for (const dtype of DTYPES) {
    for (const classes of CLASSES) comparisons.push(...(await benchPair(makePair(dtype, classes, 0.5), '')));
  }
  comparisons.push(...(await benchPair(makePair('float32', 32_000, 10), ', unlike logits')));
  return [...comparisons, ...(await benchPeer())];
}

async function benchPair(pair: Pair, kind: string): Promise<Comparison[]> {
  const kernel = Kernel.load();
  const runs = [
    ...DIVERGENCES.map(({ name, divergence, goal }) => ({
      name,
      goal: kind === '' ? goal : undefined,
      run: () => void divergences(kernel, pair, divergence),
    })),
    ...DIVERGENCES.map(({ name, divergence }) => ({
      name: `${name} + gradient`,
      goal: undefined,
      run: () => void divergences(kernel, pair, divergence, true),
    })),
  ];
  const [plain, ...others] = await interleavedMedians(ROUNDS, [
    () => evaluate(kernel, pair),
    ...runs.map(({ run }) => run),
  ]);
  const speed = gigabytesPerSecond(pair.logits.byteLength, plain!);
  return runs.map(({ name, goal }, k) => {
    const own = gigabytesPerSecond(2 * pair.logits.byteLength, others[k]!);
    return {
      what: `${name} of ${pair.classes} classes, ${kernel.name(pair.dtype)}${kind}`,
      unit: '×' as const,
      figure: `${own.toFixed(2)} GB/s`,
      against: `forward ${speed.toFixed(2)} GB/s`,
      value: own / speed,
      ...(goal && { goal }),
    };
  });
}

/** Calls a function for each block of rows [first, end), in blocks as the service uses them. */
function forEachBlock({ dtype, classes, rows }: Pair, handle: (first: number, end: number) => void): void {
  const rowsPerBlock = Math.max(1, Math.floor(BLOCK_BYTES / (classes * ELEMENT_TYPES[dtype].bytes)));
  for (let first = 0; first < rows; first += rowsPerBlock) handle(first, Math.min(rows, first + rowsPerBlock));
}

/** Rows [first, end) of one side, without labels. */
function rowsOf({ dtype, classes }: Pair, side: Uint8Array, first: number, end: number): Elements {
  const rowBytes = classes * ELEMENT_TYPES[dtype].bytes;
  return { dtype, data: side.subarray(first * rowBytes, end * rowBytes) };
}

const unlabelled = (rows: number): Int32Array<ArrayBuffer> => new Int32Array(rows).fill(NO_TARGET);

function evaluate(kernel: Kernel, pair: Pair): void {
  const { classes } = pair;
  forEachBlock(pair, (first, end) => {
    const { dtype, data: logits } = rowsOf(pair, pair.logits, first, end);
    kernel.place({ dtype, classes, logits, targets: unlabelled(end - first) });
    kernel.forward();
  });
}

/** Places rows [first, end) of both sides. */
function placeRows(kernel: Kernel, pair: Pair, first: number, end: number): PlacedPair {
  const [logits, reference] = [pair.logits, pair.reference].map((side) => rowsOf(pair, side, first, end));
  const targets = unlabelled(end - first);
  return kernel.placePair({ classes: pair.classes, targets, logits: logits!, reference: reference!, scale: 1 });
}

const GRADIENT = new ArrayBuffer(2 * BLOCK_BYTES);

function divergences(kernel: Kernel, pair: Pair, divergence: Divergence, withGradient = false): Float64Array {
  const found = new Float64Array(pair.rows);
  forEachBlock(pair, (first, end) => {
    const placed = placeRows(kernel, pair, first, end);
    found.set(placed.compare(divergence).divergence, first);
    if (withGradient) placed.gradient(new Float64Array(end - first).fill(1), pair.dtype, GRADIENT);
  });
  return found;
}

async function benchPeer(): Promise<Comparison[]> {
  const environment = await peerEnvironment();
  if ('missing' in environment) {
    const { missing } = environment;
    return Object.values(PEER_ROWS).map((row) => notMeasured(row, missing));
  }
  const pair = makePair('float32', 32_000, 0.5, PEER_BYTES);
  const [whole, kernel] = [Kernel.load(), Kernel.load()];
  await using pytorch = new PyTorchDivergence(environment.python, pair);
  const byBlocks = (): Float64Array => divergences(kernel, pair, FORWARD);
  // PyTorch computes in float32 throughout.
  requireAgreement('divergence of PyTorch', (await pytorch.time()).divergences, byBlocks(), 1e-4);
  const placed = placeRows(whole, pair, 0, pair.rows);
  const samples: [number[], number[], number[]] = [[], [], []];
  await interleave(WARM_UP_ROUNDS + ROUNDS, [
    () => void samples[0].push(time(() => void placed.compare(FORWARD))),
    () => void samples[1].push(time(byBlocks)),
    async () => void samples[2].push((await pytorch.time()).milliseconds),
  ]);
  const [inPlace, inBlocks, peer] = samples.map((milliseconds) =>
    gigabytesPerSecond(2 * pair.logits.byteLength, median(milliseconds.slice(WARM_UP_ROUNDS))),
  ) as [number, number, number];
  const compared = (row: Pick<Comparison, 'what' | 'unit' | 'goal'>, speed: number): Comparison => ({
    ...row,
    figure: `${speed.toFixed(2)} GB/s`,
    against: `PyTorch as installed ${peer.toFixed(2)} GB/s`,
    value: speed / peer,
  });
  return [compared(PEER_ROWS.inPlace, inPlace), compared(PEER_ROWS.inBlocks, inBlocks)];
}
