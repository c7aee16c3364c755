import { constants, setPriority } from 'node:os';
import { isWorkerThread, move, transferableSymbol, valueSymbol, workerData } from 'piscina';
import { Kernel } from '../../kernels/loader.ts';
import type { Variant } from '../../kernels/loader.ts';
import { LossmeterError } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import { cutRange } from '../tensor/file-range.ts';
import type { FileRange } from '../tensor/file-range.ts';
import { cutBlock, evaluateBlock } from './block.ts';
import type { Block, BlockResult } from './block.ts';
import { readRange } from './read-range.ts';

/** A block and the slab that holds its logits, which is moved to the worker. */
export interface SlabTask {
  block: Block;
  slab: ArrayBuffer;
  /** Bytes of the slab that are logits. */
  byteLength: number;
}

/** The slab moves back with the result, and with an error too: a thrown error would lose it. */
export interface SlabReply {
  slab: ArrayBuffer;
  result?: BlockResult;
  error?: unknown;
}

/** A block and where its logits stand in a file. It may be larger than what is evaluated at once. */
export interface FileTask {
  block: Block;
  range: FileRange;
  /** Rows that are read and evaluated at a time. */
  rowsAtOnce: number;
}

/** A refusal comes as its parts, for classes do not travel between threads. */
export interface FileReply {
  /** In row order. */
  results?: BlockResult[];
  refusal?: { code: ErrorCode; detail: string };
  error?: unknown;
}

/** Data that each worker starts with. */
export interface WorkerData {
  kernel: Variant;
}

// Where processors are short the main thread goes first: it feeds the workers, and answers the probes. On Linux this is
// about the thread alone; elsewhere about the process, which it does no harm.
if (isWorkerThread) setPriority(constants.priority.PRIORITY_BELOW_NORMAL);

const kernel = isWorkerThread ? Kernel.load((workerData as WorkerData).kernel) : undefined;

export default function evaluateSlab({ block, slab, byteLength }: SlabTask): unknown {
  const transfer: ArrayBuffer[] = [slab];
  const reply: SlabReply = { slab };
  try {
    reply.result = evaluateBlock(kernel!, block, new Uint8Array(slab, 0, byteLength));
    transfer.push(...buffersOf(reply.result));
  } catch (error) {
    reply.error = error;
  }
  return move({ [transferableSymbol]: transfer, [valueSymbol]: reply });
}

/** Reads the logits straight into the memory of the kernels. */
export function evaluateRange({ block, range, rowsAtOnce }: FileTask): unknown {
  const rows = block.targets.length;
  const rowBytes = range.byteLength / rows;
  const reply: FileReply = {};
  try {
    const results: BlockResult[] = [];
    let { mostPlaces } = block;
    for (let row = 0; row < rows; row += rowsAtOnce) {
      const part = cutBlock(block, row, Math.min(rowsAtOnce, rows - row), 0);
      const partRange = cutRange(range, row * rowBytes, part.targets.length * rowBytes);
      const { byteLength } = partRange;
      const readInto = (target: Uint8Array): void => readRange(partRange, target);
      const result = evaluateBlock(kernel!, { ...part, mostPlaces }, { byteLength, readInto });
      mostPlaces -= result.findings.locations.length;
      results.push(result);
    }
    reply.results = results;
  } catch (error) {
    if (error instanceof LossmeterError) reply.refusal = { code: error.code, detail: error.message };
    else reply.error = error;
  }
  return move({ [transferableSymbol]: reply.results?.flatMap(buffersOf) ?? [], [valueSymbol]: reply });
}

/** Nothing but a sign of life. */
export function beThere(): void {}

function buffersOf({ columns, gradient }: BlockResult): ArrayBuffer[] {
  const buffers = Object.values(columns).map((column) => (column as Float64Array<ArrayBuffer>).buffer);
  return gradient === undefined ? buffers : [...buffers, gradient.buffer];
}
