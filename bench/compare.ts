import type { Comparison as Divergence } from '../kernels/pair.ts';
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

/** Bytes of each tensor: more than the caches of the processor. */
const TENSOR_BYTES = 2 ** 25;
/** Tensors as large as those of the other peers: the allocator reuses the memory of smaller ones. */
const PEER_BYTES = 2 ** 27;
const BLOCK_BYTES = 2 ** 21;
const ROUNDS = 7;
const WARM_UP_ROUNDS = 4;

const DTYPES: readonly KernelDType[] = ['float32', 'float16', 'bfloat16'];
const CLASSES = [32_000, 128_256];
const GOAL = { atLeast: 0.45 } as const;
const PEER_GOAL = { atLeast: 5 } as const;

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

/** Few rows are made, and repeated: making rows takes longer than comparing them. */
const DISTINCT_ROWS = 8;

/** Logits in ±10, and the same with noise in ± `noise`. */
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

/** Measures comparisons of two sets of logits, on one thread, against the evaluation of one and against PyTorch. */
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
      ...{ name, goal: kind === '' ? goal : undefined },
      run: () => void divergences(kernel, pair, divergence),
    })),
    ...DIVERGENCES.map(({ name, divergence }) => ({
      ...{ name: `${name} + gradient`, goal: undefined },
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
      ...{ what: `${name} of ${pair.classes} classes, ${kernel.name(pair.dtype)}${kind}`, unit: '×' as const },
      ...{ figure: `${own.toFixed(2)} GB/s`, against: `forward ${speed.toFixed(2)} GB/s`, value: own / speed },
      ...(goal && { goal }),
    };
  });
}

/** Calls a function for each block of rows, as the service cuts them. */
function forEachBlock(
  { dtype, classes, rows, reference, logits }: Pair,
  evaluateBlock: (block: { targets: Int32Array; reference: Uint8Array; logits: Uint8Array }, first: number) => void,
): void {
  const rowBytes = classes * ELEMENT_TYPES[dtype].bytes;
  const rowsPerBlock = Math.max(1, Math.floor(BLOCK_BYTES / rowBytes));
  for (let first = 0; first < rows; first += rowsPerBlock) {
    const end = Math.min(rows, first + rowsPerBlock);
    const cut = (bytes: Buffer<ArrayBuffer>): Uint8Array => bytes.subarray(first * rowBytes, end * rowBytes);
    const targets = new Int32Array(end - first).fill(NO_TARGET);
    evaluateBlock({ targets, reference: cut(reference), logits: cut(logits) }, first);
  }
}

function evaluate(kernel: Kernel, pair: Pair): void {
  const { dtype, classes } = pair;
  forEachBlock(pair, ({ targets, logits }) => {
    kernel.place({ dtype, classes, logits, targets });
    kernel.forward();
  });
}

const GRADIENT = new ArrayBuffer(2 * BLOCK_BYTES);

function divergences(kernel: Kernel, pair: Pair, divergence: Divergence, withGradient = false): Float64Array {
  const { dtype, classes, rows } = pair;
  const found = new Float64Array(rows);
  forEachBlock(pair, ({ targets, reference, logits }, first) => {
    const [ofReference, ofLogits] = [reference, logits].map((data) => ({ dtype, data }));
    const placed = kernel.placePair({ classes, targets, logits: ofLogits!, reference: ofReference!, scale: 1 });
    found.set(placed.compare(divergence).divergence, first);
    if (withGradient) placed.gradient(new Float64Array(targets.length).fill(1), dtype, GRADIENT);
  });
  return found;
}

async function benchPeer(): Promise<Comparison[]> {
  const environment = await peerEnvironment();
  const row = { what: 'forward KL of 32000 classes, float32, against PyTorch', unit: '×', goal: PEER_GOAL } as const;
  if ('missing' in environment) return [notMeasured(row, environment.missing)];
  const pair = makePair('float32', 32_000, 0.5, PEER_BYTES);
  const kernel = Kernel.load();
  await using pytorch = new PyTorchDivergence(environment.python, pair);
  const ours = (): Float64Array => divergences(kernel, pair, { direction: 'forward' });
  // PyTorch computes in float32 throughout.
  requireAgreement('divergence of PyTorch', (await pytorch.time()).divergences, ours(), 1e-4);
  const [own, theirs]: [number[], number[]] = [[], []];
  await interleave(WARM_UP_ROUNDS + ROUNDS, [
    () => void own.push(time(ours)),
    async () => void theirs.push((await pytorch.time()).milliseconds),
  ]);
  const [speed, peer] = [own, theirs].map((milliseconds) =>
    gigabytesPerSecond(2 * pair.logits.byteLength, median(milliseconds.slice(WARM_UP_ROUNDS))),
  ) as [number, number];
  return [
    {
      ...row,
      figure: `${speed.toFixed(2)} GB/s`,
      against: `PyTorch as installed ${peer.toFixed(2)} GB/s`,
      value: speed / peer,
    },
  ];
}
