import { KEPT_BYTES, LEFT_OUT, NO_TARGET, NonFinite } from '../../kernels/loader.ts';
import type {
  ByteSource,
  GradientCoefficients,
  Kernel,
  RowBlock,
  RowProbabilities,
  Transform,
} from '../../kernels/loader.ts';
import { findNonFinite } from '../diagnostics/findings.ts';
import type { Findings, Float16Findings } from '../diagnostics/findings.ts';
import { NO_PREDICTION, PLAIN_FEATURES } from '../loss/rows.ts';
import type { RowColumns, RowFeatures } from '../loss/rows.ts';
import { classesWithin, mergeShards } from '../loss/shards.ts';
import { subnormalsOf, surveyOf } from '../diagnostics/survey.ts';
import type { BadInColumn, Survey } from '../diagnostics/survey.ts';
import { worstRows } from '../diagnostics/worst-rows.ts';
import type { WorstRow } from '../diagnostics/worst-rows.ts';
import { copyInSteps } from '../steps.ts';
import type { Steps } from '../steps.ts';
import { DTYPE_BYTES, ELEMENT_TYPES } from '../tensor/dtype.ts';
import type { FloatDType } from '../tensor/dtype.ts';
import { numberReader, numbersOf } from '../tensor/tensor.ts';

/** Plan for evaluating the rows of a batch: the same for all its blocks. */
interface BlockPlan {
  dtype: FloatDType;
  classes: number;
  features: RowFeatures;
  transform: Transform | undefined;
  /** Index of the first column among all classes. */
  firstColumn: number;
  /** Weights of the classes, if the kernels need them. The blocks share this memory, so no message copies it. */
  classWeights: Float64Array | undefined;
  /** Number of equal shards of consecutive classes, which are evaluated separately and merged. */
  shards: number;
  /** Dtype of the returned gradient; undefined when none is returned. */
  gradientDType: FloatDType | undefined;
  /** Most places of non-finite logits in the answer. */
  mostPlaces: number;
  /** Nll that a row must exceed to be among the worst of the batch. No rank is computed for other rows. */
  worstAbove: number | undefined;
  /** Counts of a survey, which all blocks share and add to. */
  badInColumn: BadInColumn | undefined;
}

/** Consecutive rows of a batch, to be evaluated together. */
export interface Block extends BlockPlan {
  /** Index of the block's first row in the batch. */
  firstRow: number;
  /** Class to score per row, NO_TARGET or LEFT_OUT. */
  targets: Int32Array<ArrayBuffer>;
  /** Class probabilities, shaped like the logits. */
  probabilities: { dtype: FloatDType; data: Uint8Array } | undefined;
  /** Coefficients for a gradient, or for its norm. */
  coefficients: GradientCoefficients | undefined;
}

/** Options of a block that computes only the loss. */
export function plainBlock(dtype: FloatDType, classes: number, targets: Int32Array<ArrayBuffer>): Block {
  return {
    dtype,
    classes,
    targets,
    firstRow: 0,
    firstColumn: 0,
    features: PLAIN_FEATURES,
    shards: 1,
    mostPlaces: 16,
    transform: undefined,
    classWeights: undefined,
    gradientDType: undefined,
    probabilities: undefined,
    coefficients: undefined,
    worstAbove: undefined,
    badInColumn: undefined,
  };
}

/**
 * Selects rows of a block, counted from its first. Targets and coefficients are copied, because posting a view clones
 * the whole array behind it. Class probabilities may be long, so they remain a view: see ownProbabilities.
 * @param shift rows by which the probabilities are ahead: rows beyond the end have none and are left out
 */
export function cutBlock(block: Block, firstRow: number, rows: number, shift: number): Block {
  const end = firstRow + rows;
  const { probabilities, coefficients } = block;
  return {
    ...block,
    firstRow: block.firstRow + firstRow,
    targets: block.targets.slice(firstRow, end),
    coefficients: coefficients && {
      t: coefficients.t.slice(firstRow, end),
      b: coefficients.b.slice(firstRow, end),
      z: coefficients.z.slice(firstRow, end),
    },
    probabilities: probabilities && { ...probabilities, data: cutProbabilities(block, firstRow + shift, rows) },
  };
}

function cutProbabilities({ classes, probabilities }: Block, firstRow: number, rows: number): Uint8Array {
  const { dtype, data } = probabilities!;
  const rowBytes = classes * DTYPE_BYTES[dtype];
  return data.subarray(firstRow * rowBytes, (firstRow + rows) * rowBytes);
}

/** Copies the class probabilities of a block into transferable memory, padded with zeros to all its rows. */
export function* ownProbabilities(block: Block): Steps<Block> {
  const { probabilities, classes, targets } = block;
  if (probabilities === undefined) return block;
  const data = new Uint8Array(targets.length * classes * DTYPE_BYTES[probabilities.dtype]);
  yield* copyInSteps(probabilities.data, data, 0);
  return { ...block, probabilities: { ...probabilities, data } };
}

/** Buffers of a block that are transferred to a worker. */
export function buffersOf({ probabilities }: Block): ArrayBuffer[] {
  return probabilities === undefined ? [] : [probabilities.data.buffer as ArrayBuffer];
}

/** Kernel memory of a row's sums, counts and coefficients, in bytes. */
const KERNEL_BYTES_PER_ROW = 256;

/** Bytes of a row's results for one of its shards, outside the kernel memory. */
const BYTES_PER_SHARD_OF_ROW = 64;

/** Kernel memory for rows of a block, beyond the memory that a worker always keeps. */
export function kernelBytesBeside(block: Block, rows: number): number {
  const { dtype, classes, transform, probabilities, coefficients, gradientDType, features, classWeights, shards } =
    block;
  const computed = transform === undefined && dtype !== 'float64' ? 4 : 8;
  const bytesPerLogit =
    DTYPE_BYTES[dtype] +
    (transform === undefined ? 0 : 8) +
    (probabilities === undefined ? 0 : 8 + DTYPE_BYTES[probabilities.dtype]) +
    (coefficients === undefined ? 0 : computed) +
    // The gradient in its dtype, plus its copy.
    (gradientDType === undefined ? 0 : 2 * DTYPE_BYTES[gradientDType]);
  const counts = features.survey ? 4 * classes : 0;
  const weights = classWeights === undefined ? 0 : 8 * classes;
  const inKernel = rows * (classes * bytesPerLogit + KERNEL_BYTES_PER_ROW) + counts + weights;
  const posted = probabilities === undefined ? 0 : rows * classes * DTYPE_BYTES[probabilities.dtype];
  const beforeMerge = shards === 1 ? 0 : rows * shards * BYTES_PER_SHARD_OF_ROW;
  return Math.max(0, inKernel - KEPT_BYTES) + posted + beforeMerge;
}

/** Result of evaluating a block. */
export interface BlockResult {
  columns: RowColumns;
  findings: Findings;
  /** (rows, classes) elements. */
  gradient?: Uint8Array<ArrayBuffer>;
  /** Survey of the values; only when requested, instead of the loss. */
  survey?: Survey;
}

/**
 * Evaluates a block, on a worker or on the main thread.
 * @param logits (rows, classes) elements, row-major
 */
export function evaluateBlock(kernel: Kernel, block: Block, logits: Uint8Array | ByteSource): BlockResult {
  if (block.features.survey) return surveyBlock(kernel, block, logits);
  const { dtype, classes, features, transform, probabilities, classWeights: weights } = block;
  const placed = features.everyRow
    ? block.targets.map((target) => (target === LEFT_OUT ? NO_TARGET : target))
    : block.targets;
  kernel.place({ dtype, classes, logits, targets: placed, transform, probabilities, weights });
  const soft = probabilities === undefined ? undefined : kernel.probabilities();
  const rows = evaluateRows(kernel, block, soft?.targets ?? placed);
  const probabilityAt = probabilityReader(block);
  const crossEntropy = soft === undefined ? undefined : kernel.crossEntropy();
  const columns = {
    ...columnsOf(kernel, features, rows, crossEntropy),
    ...(features.shardProbabilities && probabilityColumns(soft!, probabilityAt)),
  };
  if (features.shard) setInfiniteTerms(columns, block, rows.lse);
  const targets = block.targets.map((target, row) => (target < 0 ? target : (soft?.targets[row] ?? target)));
  const findings = findNonFinite(kernel, {
    facts: {
      ...rows,
      probabilities: soft && { odd: soft.odd, nll: crossEntropy!.nll },
      uniformNll: columns.uniformNll,
    },
    weights,
    targets,
    classes,
    probabilityAt,
    firstRow: block.firstRow,
    firstColumn: block.firstColumn,
    mostPlaces: block.mostPlaces,
    isShard: features.shard,
  });
  findings.float16 = findFloat16(kernel, block, rows.maximum);
  // A shard of the vocabulary has only a part of each row, so it cannot rank rows.
  if (!features.shard) findings.worst = rankWorst(kernel, block, columns, { targets, nanCount: rows.nanCount });
  const gradient = block.gradientDType === undefined ? undefined : kernel.gradient(block.gradientDType);
  kernel.release();
  return { columns, findings, ...(gradient && { gradient }) };
}

/** Surveys the values of a block without computing a loss. */
function surveyBlock(kernel: Kernel, block: Block, logits: Uint8Array | ByteSource): BlockResult {
  const { dtype, classes, targets, firstRow, mostPlaces } = block;
  kernel.place({ dtype, classes, logits, targets });
  const surveyed = kernel.survey(block.badInColumn!);
  const survey = surveyOf(surveyed, targets, firstRow);
  const none = new Float64Array(targets.length);
  const lse = none.map((_, row) => (surveyed.negInfCount[row] === classes ? -Infinity : 0));
  const targetLogit = none.map((_, row) => (isNegInfAtTarget(kernel, targets[row]!, row) ? -Infinity : 0));
  const facts = { ...surveyed, lse, targetLogit, nll: none, probabilities: undefined, uniformNll: undefined };
  const findings = findNonFinite(kernel, {
    ...{ facts, targets, classes, weights: undefined, probabilityAt: () => 0 },
    ...{ firstRow, firstColumn: 0, mostPlaces, isShard: false },
  });
  const subnormal = subnormalsOf(survey, ELEMENT_TYPES[dtype].float.leastNormalExponent);
  findings.float16 = findFloat16(kernel, block, surveyed.maximum, { subnormal, minimum: surveyed.minimum });
  kernel.release();
  return { columns: { nll: none }, findings, survey };
}

function isNegInfAtTarget(kernel: Kernel, target: number, row: number): boolean {
  return target >= 0 && kernel.nonFiniteKindOf(row, target) === NonFinite.negInf;
}

/** Logits per row that are searched for subnormals: few enough to cost nothing, and enough for an estimate. */
const SUBNORMAL_SPAN = 256;

const LARGEST_FLOAT16 = 65_504;

/** @param surveyed results of a survey of all values, if there was one: then values of both signs count */
function findFloat16(
  kernel: Kernel,
  { dtype, classes, targets }: Block,
  maximum: Float64Array,
  surveyed?: { subnormal: number; minimum: Float64Array },
): Float16Findings | undefined {
  if (dtype !== 'float16') return undefined;
  const findings = { largest: 0, subnormal: surveyed?.subnormal ?? 0, sampled: 0 };
  targets.forEach((target, row) => {
    if (target === LEFT_OUT) return;
    findings.sampled += surveyed === undefined ? Math.min(classes, SUBNORMAL_SPAN) : classes;
    if (surveyed === undefined) findings.subnormal += kernel.subnormalsInRow(row, SUBNORMAL_SPAN);
    if (maximum[row] === LARGEST_FLOAT16) findings.largest += kernel.countInRow(row, LARGEST_FLOAT16);
    if (surveyed?.minimum[row] === -LARGEST_FLOAT16) findings.largest += kernel.countInRow(row, -LARGEST_FLOAT16);
  });
  return findings;
}

/** Worst rows of the block with the ranks of their labels, limited to rows that can be among the worst of the batch. */
function rankWorst(
  kernel: Kernel,
  block: Block,
  { nll, targetRank }: RowColumns,
  { targets, nanCount }: { targets: Int32Array; nanCount: Int32Array },
): WorstRow[] {
  const rankOf = (row: number): number => (nanCount[row]! > 0 ? NO_PREDICTION : kernel.rankOfRow(row));
  return worstRows(nll, targets, block.worstAbove).map(({ row, label, loss }) => ({
    row: block.firstRow + row,
    label,
    loss,
    target_rank: targetRank?.[row] ?? rankOf(row),
  }));
}

function columnsOf(
  kernel: Kernel,
  features: RowFeatures,
  rows: RowBlock,
  crossEntropy: ReturnType<Kernel['crossEntropy']> | undefined,
): RowColumns {
  const { maximum, nanCount, posInfCount, negInfCount, targetLogit, reference, logSum } = rows;
  const ranked = features.rank ? kernel.rank() : undefined;
  // Shards must be merged first: a shard does not know the NaN of the others.
  if (ranked !== undefined && !features.shard) dropPredictions(ranked, nanCount);
  return {
    nll: crossEntropy?.nll ?? rows.nll,
    ...(features.lse && { lse: rows.lse }),
    ...(features.uniformNll && { uniformNll: kernel.uniformNll() }),
    ...(features.weightedNll && { weightedNll: crossEntropy!.weighted! }),
    ...(features.entropy && { entropy: kernel.entropy() }),
    ...(ranked && { predictions: ranked.predictions, targetRank: ranked.targetRank }),
    ...(features.confidence && { confidence: confidences(rows, ranked!.maximum) }),
    ...(features.top && { top: ranked!.maximum }),
    ...(features.gradientNorms && { gradientNorms: kernel.gradientNorms() }),
    ...(features.shard && { targetLogit, reference, logSum, maximum, nanCount, posInfCount, negInfCount }),
    ...(features.softmaxMoments && kernel.softmaxMoments()),
  };
}

/** Removes the predictions of rows that contain a NaN, because the kernel skips NaN. */
function dropPredictions(
  { predictions, targetRank }: Pick<ReturnType<Kernel['rank']>, 'predictions' | 'targetRank'>,
  nanCount: Int32Array,
): void {
  nanCount.forEach((count, row) => {
    if (count === 0) return;
    predictions[row] = NO_PREDICTION;
    targetRank[row] = NO_PREDICTION;
  });
}

/** Confidence of each row, exp(max x − lse). Subtracts two logits first: lse has the rounding of the row's offset. */
function confidences({ reference, logSum }: RowBlock, maximum: Float64Array): Float64Array<ArrayBuffer> {
  return Float64Array.from(maximum, (top, row) => Math.exp(top - reference[row]! - logSum[row]!));
}

/** Columns for merging shards of class probabilities. */
function probabilityColumns(
  { targets, masses, sums, odd }: RowProbabilities,
  probabilityAt: (row: number, column: number) => number,
): Partial<RowColumns> {
  const labelProbability = Float64Array.from(targets, (label, row) => (label < 0 ? 0 : probabilityAt(row, label)));
  return { probabilitySum: sums, probabilityMass: masses, odd, label: targets, labelProbability };
}

/**
 * Replaces the cross-entropies of rows that are −Inf throughout a shard by their limit, Σ_c v_c·p_c·∞ with 0·∞ = 0. The
 * kernel's result is NaN, because the shard's lse is −Inf.
 */
function setInfiniteTerms({ nll, weightedNll, uniformNll }: RowColumns, block: Block, lse: Float64Array): void {
  const { probabilities, classWeights } = block;
  const first = lse.indexOf(-Infinity);
  if (first < 0) return;
  const ofWeights = infiniteSum(classWeights ?? Float64Array.of(1));
  for (let row = first; row >= 0; row = lse.indexOf(-Infinity, row + 1)) {
    if (uniformNll !== undefined) uniformNll[row] = ofWeights;
    if (probabilities === undefined) continue;
    const p = probabilitiesOf(block, row);
    nll[row] = infiniteSum(p);
    if (weightedNll !== undefined) weightedNll[row] = infiniteSum(p.map((own, c) => own * classWeights![c]!));
  }
}

/** Σ v·∞ with 0·∞ = 0: infinite with the sign of the values, NaN for values of both signs. */
function infiniteSum(values: Float64Array): number {
  return values.reduce((sum, v) => (v === 0 ? sum : sum + v * Infinity), 0);
}

function evaluateRows(kernel: Kernel, block: Block, targets: Int32Array<ArrayBuffer>): RowBlock {
  const { coefficients, shards } = block;
  if (shards === 1) return coefficients === undefined ? kernel.forward() : kernel.forwardWithGradient(coefficients);
  // The gradient belongs to whole rows.
  if (coefficients !== undefined) kernel.forwardWithGradient(coefficients);
  const rows = forwardShards(kernel, block, targets);
  kernel.setSums(rows);
  return rows;
}

/** Evaluates the rows in equal shards of consecutive classes. */
function forwardShards(kernel: Kernel, { classes, shards }: BlockPlan, targets: Int32Array<ArrayBuffer>): RowBlock {
  const count = classes / shards;
  const parts = Array.from({ length: shards }, (_, k) => {
    const first = k * count;
    const within = classesWithin(targets, first, count);
    return { within, rows: kernel.forwardColumns(first, count, within) };
  });
  return mergeShards(
    parts.map(({ rows }) => rows),
    parts.map(({ within }) => within),
  );
}

function probabilitiesOf({ classes, probabilities }: Block, row: number): Float64Array {
  const { dtype, data } = probabilities!;
  const rowBytes = classes * DTYPE_BYTES[dtype];
  return numbersOf({ dtype, shape: [classes], data: data.subarray(row * rowBytes, (row + 1) * rowBytes) });
}

/** Reads single class probabilities: a search may read whole rows through it. */
function probabilityReader({ classes, probabilities }: Block): (row: number, column: number) => number {
  if (probabilities === undefined) return () => 0;
  const { dtype, data } = probabilities;
  const numberAt = numberReader({ dtype, shape: [], data });
  return (row, column) => numberAt(row * classes + column);
}
