import { constants, setPriority } from 'node:os';
import { isWorkerThread, move, transferableSymbol, valueSymbol, workerData } from 'piscina';
import { Kernel } from '../../kernels/kernel.ts';
import type { Variant } from '../../kernels/instance.ts';
import { LossmeterError } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import { cutRange } from '../tensor/file-range.ts';
import type { LocalRange } from '../tensor/file-range.ts';
import { cutBlock } from './block.ts';
import type { Block, BlockResult } from './block.ts';
import { evaluateBlock } from './evaluate-block.ts';
import { readRange } from './read-range.ts';

/** A block and the slab with its logits, which is transferred to the worker. */
export interface SlabTask {
  block: Block;
  slab: ArrayBuffer;
  /** Bytes of logits in the slab. */
  byteLength: number;
}

/** Failure of a block. A refusal is in plain form, because classes do not survive between threads. */
export interface Failure {
  refusal?: { code: ErrorCode; detail: string };
  error?: unknown;
}

/**
 * Result or error, and the slab, which may contain the gradient. An error is returned, not thrown, because throwing
 * would lose the slab.
 */
export interface SlabReply extends Failure {
  slab: ArrayBuffer;
  result?: BlockResult;
}

/** A block and the range of a local file with its logits. It may be larger than the rows evaluated at a time. */
export interface FileTask {
  block: Block;
  range: LocalRange;
  /** Rows that are read and evaluated at a time. */
  rowsAtOnce: number;
}

/** Results or an error. */
export interface FileReply extends Failure {
  /** Results in row order. */
  results?: BlockResult[];
}

/** Initial data of each worker. */
export interface WorkerData {
  kernel: Variant;
}

// Gives the main thread priority when processors are scarce: it feeds the workers and answers the probes. On Linux the
// priority applies to the thread; on other systems to the whole process, which is harmless.
if (isWorkerThread) setPriority(constants.priority.PRIORITY_BELOW_NORMAL);

const kernel = isWorkerThread ? Kernel.load((workerData as WorkerData).kernel) : undefined;

export default function evaluateSlab({ block, slab, byteLength }: SlabTask): unknown {
  const transfer: ArrayBuffer[] = [slab];
  const reply: SlabReply = { slab };
  try {
    reply.result = evaluateBlock(kernel!, block, new Uint8Array(slab, 0, byteLength), slab);
    transfer.push(...buffersOf(reply.result).filter((buffer) => buffer !== slab));
  } catch (error) {
    Object.assign(reply, failureOf(error));
  }
  return move({ [transferableSymbol]: transfer, [valueSymbol]: reply });
}

/** Reads the logits directly into the kernel memory. */
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
      const { findings, referenceFindings } = result;
      mostPlaces -= Math.min(findings.locations.length, referenceFindings?.locations.length ?? Infinity);
      results.push(result);
    }
    reply.results = results;
  } catch (error) {
    Object.assign(reply, failureOf(error));
  }
  return move({ [transferableSymbol]: reply.results?.flatMap(buffersOf) ?? [], [valueSymbol]: reply });
}

/** Answers at once, to show that the worker runs. */
export function beThere(): void {}

function failureOf(error: unknown): Failure {
  if (!(error instanceof LossmeterError)) return { error };
  return { refusal: { code: error.code, detail: error.message } };
}

function buffersOf({ columns, gradient }: BlockResult): ArrayBuffer[] {
  const buffers = Object.values(columns).map((column) => (column as Float64Array<ArrayBuffer>).buffer);
  return gradient === undefined ? buffers : [...buffers, gradient.buffer];
}
