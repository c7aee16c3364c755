import { LEFT_OUT, NO_TARGET } from '../../kernels/abi.ts';
import type { ByteSource } from '../../kernels/arena.ts';
import type { Kernel } from '../../kernels/kernel.ts';
import type { RowBlock } from '../../kernels/bindings.ts';
import { findNonFinite } from '../diagnostics/findings.ts';
import { worstRows } from '../diagnostics/worst-rows.ts';
import type { WorstRow } from '../diagnostics/worst-rows.ts';
import { STATISTICS } from '../statistics/list.ts';
import type { RowColumns } from '../statistics/list.ts';
import { NO_PREDICTION } from '../statistics/rank.ts';
import { classesWithin, mergeShards } from '../statistics/sharded-rows.ts';
import type { EvaluatedRows } from '../statistics/statistic.ts';
import { numberReader } from '../tensor/tensor.ts';
import type { Block, BlockPlan, BlockResult } from './block.ts';
import { alternativeColumns } from './alternatives.ts';
import { compareBlock } from './compare-block.ts';
import { findRangeSigns } from './range-signs.ts';
import { setInfiniteTerms } from './infinite-terms.ts';
import { surveyBlock } from './survey-block.ts';

/**
 * Evaluates a block, on a worker or on the main thread.
 * @param logits (rows, classes) elements, row-major
 * @param slab memory of the logits, which is overwritten with a gradient that fits
 */
export function evaluateBlock(
  kernel: Kernel,
  block: Block,
  logits: Uint8Array | ByteSource,
  slab?: ArrayBuffer,
): BlockResult {
  try {
    if (block.plan.comparison !== undefined) return compareBlock(kernel, block, logits, slab);
    if (block.plan.badInColumn !== undefined) return surveyBlock(kernel, block, logits);
    return evaluateLoss(kernel, block, logits, slab);
  } finally {
    kernel.release();
  }
}

function evaluateLoss(kernel: Kernel, block: Block, logits: Uint8Array | ByteSource, slab?: ArrayBuffer): BlockResult {
  const { plan } = block;
  const { dtype, classes, transform, classWeights: weights, isShard } = plan;
  const alternatives = block.others && alternativeColumns(kernel, block.others, { ...block, logits });
  const placed = plan.everyRow
    ? block.targets.map((target) => (target === LEFT_OUT ? NO_TARGET : target))
    : block.targets;
  kernel.place({ dtype, classes, logits, targets: placed, transform, probabilities: block.probabilities, weights });
  const probabilities = block.probabilities && kernel.probabilities();
  const rows = evaluateRows(kernel, block, probabilities?.targets ?? placed);
  const probabilityAt = probabilityReader(block);
  const soft = probabilities && { rows: probabilities, crossEntropy: kernel.crossEntropy(), probabilityAt };
  const columns = computeColumns(plan, { kernel, forward: rows, soft, isShard });
  Object.assign(columns, alternatives);
  if (isShard) setInfiniteTerms(columns, block, rows.lse);
  const targets = block.targets.map((target, row) => (target < 0 ? target : (probabilities?.targets[row] ?? target)));
  const findings = findNonFinite(kernel.received, {
    facts: {
      ...rows,
      probabilities: soft && { odd: soft.rows.odd, nll: soft.crossEntropy.nll },
      uniformNll: columns.uniformNll,
    },
    weights,
    targets,
    classes,
    probabilityAt,
    firstRow: block.firstRow,
    firstColumn: plan.firstColumn,
    mostPlaces: block.mostPlaces,
    isShard,
  });
  findings.signs = findRangeSigns(kernel.received, { dtype: plan.dtype, classes, targets }, rows.maximum);
  // A shard of the vocabulary has only a part of each row, so it cannot rank rows.
  if (!isShard) findings.worst = rankWorst(kernel, block, columns, { targets, nanCount: rows.nanCount });
  const gradient = plan.gradientDType === undefined ? undefined : kernel.gradient(plan.gradientDType, slab);
  return { columns, findings, ...(gradient && { gradient }) };
}

/** Columns of the statistics of the plan. */
function computeColumns({ statistics }: BlockPlan, evaluated: Omit<EvaluatedRows, 'ranked'>): RowColumns {
  const { kernel } = evaluated;
  let ranks: ReturnType<Kernel['rank']> | undefined;
  const rows = { ...evaluated, ranked: () => (ranks ??= kernel.rank()) };
  return Object.assign({}, ...statistics.map((name) => STATISTICS[name].compute(rows))) as RowColumns;
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

function evaluateRows(kernel: Kernel, block: Block, targets: Int32Array<ArrayBuffer>): RowBlock {
  const { plan, coefficients } = block;
  if (plan.shards === 1) {
    return coefficients === undefined ? kernel.forward() : kernel.forwardWithGradient(coefficients);
  }
  // The gradient belongs to whole rows.
  if (coefficients !== undefined) kernel.forwardWithGradient(coefficients);
  const rows = forwardShards(kernel, plan, targets);
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

/** Reads single class probabilities: a search may read whole rows through it. */
function probabilityReader({ plan: { classes }, probabilities }: Block): (row: number, column: number) => number {
  if (probabilities === undefined) return () => 0;
  const { dtype, data } = probabilities;
  const numberAt = numberReader({ dtype, shape: [], data });
  return (row, column) => numberAt(row * classes + column);
}
