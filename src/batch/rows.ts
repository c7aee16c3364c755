import { evaluatedDType } from '../../kernels/transform.ts';
import type { BlockPlan } from '../engine/block.ts';
import { BlockWriter } from '../engine/block-writer.ts';
import type { LogitsIntake } from '../engine/intake.ts';
import type { KernelPool } from '../engine/pool.ts';
import { refuse } from '../errors.ts';
import { isGiven } from '../option-reader.ts';
import type { Options } from '../loss/options.ts';
import { selectTargets, sequenceFactsOf } from '../loss/targets.ts';
import type { TargetFields, Targets } from '../loss/targets.ts';
import type { Vocabulary } from '../loss/vocabulary.ts';
import { inSteps } from '../steps.ts';
import type { Steps } from '../steps.ts';
import type { Shape } from '../tensor/shape.ts';
import type { HeldBytesAccount } from '../wire/body/held-bytes.ts';
import { missingField } from '../wire/request.ts';
import type { BatchHeader } from './header.ts';
import { arrange } from './layout.ts';
import type { Layout } from './layout.ts';
import { MovedLogits } from './moved-logits.ts';
import { takeClassWeights, takeRows } from './row-memory.ts';
import { takeSegments, takeSequences } from './sequences.ts';

/** Bytes of a row's target, mask and results while its batch is evaluated. */
const BYTES_PER_ROW = 128;

/** Plan of a batch whose logits have not arrived yet. */
export interface Batch {
  options: Options;
  /** Shape of the logits, the class axis last. */
  shape: Shape;
  targets: Targets;
  writer: BlockWriter;
  /** Receives the logits. */
  intake: LogitsIntake;
  /** Name of the kernel that evaluates the batch. */
  kernel: string;
  /** Number of entries of the request that were sent as null. */
  nulls: number;
  /** True if outputs are arrays of msgpack-numpy, because the logits were. */
  numpyArrays: boolean;
}

/**
 * Arranges the tensors of a request, and selects the targets of the rows.
 * @param moreBytesPerRow memory of a row in addition to BYTES_PER_ROW
 * @param shard position of the columns among all classes; undefined for a batch over all classes
 */
export function* openRows(
  given: BatchHeader,
  options: Options,
  held: HeldBytesAccount,
  { moreBytesPerRow, shard }: { moreBytesPerRow: number; shard?: Vocabulary },
): Steps<{ header: BatchHeader; layout: Layout; targets: Targets }> {
  const { header, layout, outputShape } = yield* arrange(given, options.class_axis, held);
  takeSegments(header.segments, held);
  const selected = yield* selectTargets(header.logits.shape, targetFieldsOf(header), options, {
    ...(shard && { shard }),
    takeRows: (count) => takeRows(held, count, BYTES_PER_ROW + moreBytesPerRow),
    takeClasses: (count) => takeClassWeights(held, count),
  });
  if (options.outputs.includes('sequences')) takeSequences(sequenceFactsOf(selected).count, held);
  const targets = withOutputShape(selected, outputShape);
  requireNoIgnoreIndex(targets, header);
  return { header, layout, targets };
}

/** Name of the kernel that evaluates a block: transformed logits may have another dtype. */
export function kernelOf(pool: KernelPool, { dtype, transform }: Pick<BlockPlan, 'dtype' | 'transform'>): string {
  return pool.kernelName(evaluatedDType(dtype, transform));
}

/** @param outputShape shape of outputs per row, if it differs from the label's. It is ignored when a shift leaves rows out. */
export function withOutputShape(targets: Targets, outputShape: Shape | undefined): Targets {
  const leavesOut = targets.rows.total < targets.classes.length;
  return outputShape === undefined || leavesOut ? targets : { ...targets, outputShape };
}

/** Makes the receiver of logits, which rearranges them if their class axis is not the last. */
export function openIntake(
  writer: BlockWriter,
  { moved }: Layout,
  { width, held }: { width: number; held: HeldBytesAccount },
): LogitsIntake {
  return moved === undefined ? writer : new MovedLogits(writer, moved, { width, held });
}

/** Fields that select the counted rows; the label is required. */
function targetFieldsOf({ label, inputMask, weight, segments }: BatchHeader): TargetFields {
  if (label === undefined) throw missingField('label');
  return { label, inputMask, weight, segments };
}

/**
 * Copies class weights to shared memory if the kernels need them. For class indices without label smoothing, the reduction
 * applies the weights.
 */
export function* weightsForKernels(
  { probabilities, classWeights }: Targets,
  { label_smoothing: smoothing }: Options,
  held: HeldBytesAccount,
): Steps<Float64Array<SharedArrayBuffer> | undefined> {
  if (classWeights === undefined || (smoothing === 0 && probabilities === undefined)) return undefined;
  takeClassWeights(held, classWeights.length);
  const shared = new Float64Array(new SharedArrayBuffer(classWeights.byteLength));
  yield* inSteps(shared.length, (from, to) => shared.set(classWeights.subarray(from, to), from));
  return shared;
}

/** PyTorch rejects this too. */
function requireNoIgnoreIndex({ probabilities }: Targets, { options }: BatchHeader): void {
  if (probabilities === undefined || !isGiven(options, 'ignore_index')) return;
  const detail = 'ignore_index does not apply to class probabilities: leave rows out by input_mask';
  throw refuse('invalid_option', '/options/ignore_index', detail);
}
