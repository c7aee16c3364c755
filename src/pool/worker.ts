import { isWorkerThread, move, transferableSymbol, valueSymbol, workerData } from 'piscina';
import { Kernel } from '../../kernels/loader.ts';
import type { Variant } from '../../kernels/loader.ts';
import { evaluateBlock } from './block.ts';
import type { Block, BlockResult } from './block.ts';

/** A block and the slab that holds its logits, which is moved to the worker. */
export interface SlabTask {
  block: Block;
  slab: ArrayBuffer;
  /** How much of the slab is logits. */
  byteLength: number;
}

/** The slab moves back with the result, and with an error too: a thrown error would lose it. */
export interface SlabReply {
  slab: ArrayBuffer;
  result?: BlockResult;
  error?: unknown;
}

/** Data that each worker starts with. */
export interface WorkerData {
  kernel: Variant;
}

const kernel = isWorkerThread ? Kernel.load((workerData as WorkerData).kernel) : undefined;

export default function evaluateSlab({ block, slab, byteLength }: SlabTask): unknown {
  const transfer: ArrayBuffer[] = [slab];
  const reply: SlabReply = { slab };
  try {
    reply.result = evaluateBlock(kernel!, block, new Uint8Array(slab, 0, byteLength));
    for (const column of Object.values(reply.result.columns))
      transfer.push((column as Float64Array<ArrayBuffer>).buffer);
    if (reply.result.gradient !== undefined) transfer.push(reply.result.gradient.buffer);
  } catch (error) {
    reply.error = error;
  }
  return move({ [transferableSymbol]: transfer, [valueSymbol]: reply });
}
