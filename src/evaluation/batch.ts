import { refuse } from '../errors.ts';
import { denominatorsOf } from '../loss/denominators.ts';
import type { Denominators } from '../loss/denominators.ts';
import { gradientCoefficients } from '../loss/gradient.ts';
import { isGiven, parseOptions, smoothingOf, transformOf } from '../loss/options.ts';
import type { Options } from '../loss/options.ts';
import { requireDivisible } from '../loss/parallel.ts';
import { targetsWithin } from '../loss/partials.ts';
import { featuresOf, shardFeaturesOf } from '../loss/rows.ts';
import { selectTargets } from '../loss/targets.ts';
import type { TargetFields, Targets } from '../loss/targets.ts';
import { requireShardable, requireVocabulary } from '../loss/vocabulary.ts';
import type { Vocabulary } from '../loss/vocabulary.ts';
import type { Block } from '../pool/block.ts';
import type { KernelPool } from '../pool/pool.ts';
import { inSteps } from '../steps.ts';
import type { Steps } from '../steps.ts';
import { DTYPE_BYTES } from '../tensor/dtype.ts';
import type { FloatDType } from '../tensor/dtype.ts';
import type { Shape } from '../tensor/shape.ts';
import type { HeldBytesAccount } from '../wire/held-bytes.ts';
import { missingField } from '../wire/request.ts';
import type { RequestHeader } from '../wire/request.ts';
import { BlockWriter } from './block-writer.ts';
import { arrange } from './layout.ts';
import type { Layout } from './layout.ts';
import { MovedLogits } from './moved-logits.ts';
import type { LogitsIntake } from './moved-logits.ts';
import { takeClassWeights, takeRows } from './row-memory.ts';

/** Bytes of a row's target, mask and results while its batch is evaluated. */
const BYTES_PER_ROW = 128;

/** Further bytes of a row, for the coefficients of its gradient. */
const BYTES_PER_ROW_OF_GRADIENT = 32;

/** Further bytes of a row, for the columns by which shards are merged. */
const BYTES_PER_ROW_OF_SHARD = 128;

const GRADIENT_ADVICE = 'split the batch by rows, or ask for the gradient of narrower logits';

/** A request whose logits are still to come, and their writer. */
export interface Batch {
  options: Options;
  /** Shape of the logits, the class axis last. */
  shape: Shape;
  targets: Targets;
  writer: BlockWriter;
  /** Takes the logits as they come. */
  intake: LogitsIntake;
  /** Name of the kernel that evaluates it. */
  kernel: string;
  /** Entries of the request that came as null. */
  nulls: number;
  /** True where outputs are arrays of msgpack-numpy, because the logits were. */
  numpyArrays: boolean;
}

/** A batch over all classes. */
export interface WholeBatch extends Batch {
  /** C */
  classes: number;
  /** ε of the row formula. */
  smoothing: number;
  denominators: Denominators;
  layout: Layout;
  gradientDType: FloatDType;
}

/** A batch over some of the classes. */
export interface ShardBatch extends Batch {
  vocabulary: Vocabulary;
}

/** Checks all that can be checked before the logits have come. @throws LossmeterError */
export function* openBatch(pool: KernelPool, given: RequestHeader, held: HeldBytesAccount): Steps<WholeBatch> {
  const options = parseOptions(given.options);
  const returnsGradient = options.outputs.includes('gradient');
  const differentiates = returnsGradient || options.check_for_nan_in_loss_and_grad;
  const moreBytesPerRow = differentiates ? BYTES_PER_ROW_OF_GRADIENT : 0;
  const { header, layout, targets } = yield* openRows(given, options, held, { moreBytesPerRow });
  const { dtype, shape } = header.logits;
  const rows = targets.classes.length;
  const classes = shape.at(-1)!;
  requireDivisible(options, rows, classes);
  const smoothing = smoothingOf(options, classes);
  const denominators = yield* denominatorsOf(targets);
  const features = featuresOf(options, targets);
  const transform = transformOf(options);
  const gradientDType = options.gradient_dtype ?? dtype;
  // A gradient whose class axis is moved back is copied.
  const copies = layout.moved === undefined ? 1 : 2;
  const takeGradient = (bytes: number): void => held.take(copies * bytes, 'outputs.gradient', GRADIENT_ADVICE);
  if (returnsGradient) {
    held.requireRoom(copies * rows * classes * DTYPE_BYTES[gradientDType], 'outputs.gradient', GRADIENT_ADVICE);
  }
  const block: Block = {
    ...{ dtype, classes, features, transform, firstRow: 0, firstColumn: 0, targets: targets.classes },
    ...{ mostPlaces: options.max_locations, worstAbove: undefined, badInColumn: undefined },
    probabilities: targets.probabilities,
    classWeights: yield* weightsForKernels(targets, options, held),
    shards: options.parallel_config.model_parallel,
    gradientDType: returnsGradient ? gradientDType : undefined,
    coefficients: differentiates
      ? yield* gradientCoefficients(targets, options, { classes, smoothing, denominators })
      : undefined,
  };
  const writer = new BlockWriter(pool, block, options.shift, takeGradient);
  const kernel = kernelOf(pool, block);
  const intake = openIntake(writer, layout, { width: DTYPE_BYTES[dtype], held });
  const { numpyArrays = false, nulls } = header;
  return {
    options,
    layout,
    shape,
    targets,
    writer,
    intake,
    kernel,
    nulls,
    numpyArrays,
    classes,
    smoothing,
    denominators,
    gradientDType,
  };
}

/** Opens a shard of the vocabulary, whose columns are merged with others before they are reduced. */
export function* openShard(pool: KernelPool, given: RequestHeader, held: HeldBytesAccount): Steps<ShardBatch> {
  const options = parseOptions(given.options);
  // Logits without such an axis are refused next.
  const vocabulary = requireVocabulary(given.parameters, given.logits.shape.at(options.class_axis) ?? 0);
  const moreBytesPerRow = BYTES_PER_ROW_OF_SHARD;
  const { header, layout, targets } = yield* openRows(given, options, held, { moreBytesPerRow, shard: vocabulary });
  const { dtype, shape } = header.logits;
  const classes = shape.at(-1)!;
  requireShardable(options, { probabilities: targets.probabilities !== undefined });
  requireDivisible(options, targets.classes.length, vocabulary.size);
  smoothingOf(options, vocabulary.size);
  const transform = transformOf(options);
  const block: Block = {
    ...{ dtype, classes, transform, firstRow: 0, firstColumn: vocabulary.start, shards: 1 },
    ...{ mostPlaces: options.max_locations, worstAbove: undefined, badInColumn: undefined },
    features: shardFeaturesOf(options, targets),
    targets: targetsWithin(targets, vocabulary, classes),
    probabilities: targets.probabilities,
    classWeights: yield* weightsForKernels(targets, options, held),
    gradientDType: undefined,
    coefficients: undefined,
  };
  const writer = new BlockWriter(pool, block, options.shift);
  const kernel = kernelOf(pool, block);
  // A partial is opaque, and has the same form for every client.
  const { nulls } = header;
  const intake = openIntake(writer, layout, { width: DTYPE_BYTES[dtype], held });
  return { options, shape, targets, writer, intake, kernel, nulls, numpyArrays: false, vocabulary };
}

/**
 * Arranges the tensors of a request, and selects what each row is scored against.
 * @param moreBytesPerRow memory of a row beside that of every batch
 * @param shard where the columns stand among all classes; undefined where they are all
 */
function* openRows(
  given: RequestHeader,
  options: Options,
  held: HeldBytesAccount,
  { moreBytesPerRow, shard }: { moreBytesPerRow: number; shard?: Vocabulary },
): Steps<{ header: RequestHeader; layout: Layout; targets: Targets }> {
  const { header, layout, outputShape } = yield* arrange(given, options.class_axis, held);
  const selected = yield* selectTargets(header.logits.shape, targetFieldsOf(header), options, {
    ...(shard && { shard }),
    takeRows: (count) => takeRows(held, count, BYTES_PER_ROW + moreBytesPerRow),
    takeClasses: (count) => takeClassWeights(held, count),
  });
  const targets = withOutputShape(selected, outputShape);
  requireNoIgnoreIndex(targets, header);
  return { header, layout, targets };
}

/** Name of the kernel that evaluates a block: logits that are transformed are float64. */
function kernelOf(pool: KernelPool, { dtype, transform }: Pick<Block, 'dtype' | 'transform'>): string {
  return pool.kernelName(transform === undefined ? dtype : 'float64');
}

/** @param outputShape where it is not that of the label; a shift leaves rows out, and then no row is alone */
function withOutputShape(targets: Targets, outputShape: Shape | undefined): Targets {
  const { length, kept } = targets.sequence;
  return outputShape === undefined || kept < length ? targets : { ...targets, outputShape };
}

/** Takes logits in the order in which they come. */
export function openIntake(
  writer: BlockWriter,
  { moved }: Layout,
  { width, held }: { width: number; held: HeldBytesAccount },
): LogitsIntake {
  return moved === undefined ? writer : new MovedLogits(writer, moved, { width, held });
}

/** Fields that select the counted rows; the label is required. */
function targetFieldsOf({ label, inputMask, weight }: RequestHeader): TargetFields {
  if (label === undefined) throw missingField('label');
  return { label, inputMask, weight };
}

/** Class weights in shared memory, where kernels need them: for one class index per row the reduction weighs. */
function* weightsForKernels(
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
function requireNoIgnoreIndex({ probabilities }: Targets, { options }: RequestHeader): void {
  if (probabilities === undefined || !isGiven(options, 'ignore_index')) return;
  const detail = 'ignore_index does not apply to class probabilities: leave rows out by input_mask';
  throw refuse('invalid_option', '/options/ignore_index', detail);
}
