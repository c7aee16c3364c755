import type { ByteSource } from '../../kernels/arena.ts';
import type { RowBlock } from '../../kernels/bindings.ts';
import type { Kernel } from '../../kernels/kernel.ts';
import type { Elements } from '../../kernels/place.ts';
import type { QuantisedRows } from '../../kernels/quantised.ts';
import type { PlacedRows } from '../../kernels/rows.ts';
import { PLAIN, findNonFinite } from '../diagnostics/findings.ts';
import type { Findings } from '../diagnostics/findings.ts';
import type { Block, BlockResult, ComparedColumns } from './block.ts';
import { mostProbableOf, topNllOf } from './compared-rows.ts';
import type { RowsBeside } from './compared-rows.ts';
import type { FloatDType } from '../tensor/dtype.ts';
import { findRangeSigns } from './range-signs.ts';
import { isRemote } from '../tensor/file-range.ts';
import { readRange } from './read-range.ts';

/**
 * Compares the rows of a block with the rows of the other side, on a worker or on the main thread.
 * @param streamed rows of the streamed side
 * @param slab memory of the streamed rows, which is overwritten with a gradient that fits
 */
export function compareBlock(
  kernel: Kernel,
  block: Block,
  streamed: Uint8Array | ByteSource,
  slab?: ArrayBuffer,
): BlockResult {
  return block.compared?.top === undefined
    ? comparePair(kernel, block, streamed, slab)
    : compareTop(kernel, block, streamed, slab);
}

function comparePair(
  kernel: Kernel,
  block: Block,
  streamed: Uint8Array | ByteSource,
  slab: ArrayBuffer | undefined,
): BlockResult {
  const { plan, targets, compared } = block;
  const { dtype, classes, gradientDType } = plan;
  const { direction, beta, floor, scale, streamed: side } = plan.comparison!;
  const given = { dtype, data: streamed };
  const beside = compared!.beside!;
  const reference = side === 'reference' ? given : referenceOf(beside);
  const logits = side === 'logits' ? given : elementsOf(beside);
  const pair = kernel.placePair({ classes, targets, logits, reference, scale });
  const rows = pair.compare({ direction, beta, ...(floor !== undefined && { floor }) });
  const columns: ComparedColumns = {
    divergence: rows.divergence,
    infinite: rows.infinite,
    nll: rows.logits.nll,
    referenceNll: rows.reference.nll,
    prediction: pair.logits.rank().predictions,
    referencePrediction: pair.reference.rank().predictions,
  };
  const findings = findingsOf(block, { dtype: logits.dtype, side: pair.logits, rows: rows.logits });
  const referenceFindings = findingsOf(block, {
    dtype: 'quantised' in reference ? 'float32' : reference.dtype,
    side: pair.reference,
    rows: rows.reference,
  });
  const { factors } = compared!;
  const gradient = factors && pair.gradient(factors, gradientDType!, slab);
  return { columns, findings, referenceFindings, ...(gradient && { gradient }) };
}

function compareTop(
  kernel: Kernel,
  block: Block,
  streamed: Uint8Array | ByteSource,
  slab: ArrayBuffer | undefined,
): BlockResult {
  const { plan, targets, compared } = block;
  const { dtype, classes, gradientDType } = plan;
  const { tail } = plan.comparison!;
  const top = compared!.top!;
  const logits = { dtype, data: streamed };
  const placed = kernel.placeTopK({ classes, targets, logits, ...top, tail });
  const rows = placed.compare();
  const columns: ComparedColumns = {
    divergence: rows.divergence,
    infinite: rows.infinite,
    nll: rows.logits.nll,
    referenceNll: rows.logits.nll.map((_, row) => topNllOf(targets[row]!, top, row)),
    prediction: placed.logits.rank().predictions,
    referencePrediction: targets.map((_, row) => mostProbableOf(top, row)),
  };
  const { factors } = compared!;
  const gradient = factors && placed.gradient(factors, gradientDType!, slab);
  return {
    columns,
    findings: findingsOf(block, { dtype, side: placed.logits, rows: rows.logits }),
    ...(gradient && { gradient }),
  };
}

/** Reference rows of the other side, for the kernel. */
function referenceOf(beside: RowsBeside): Elements | QuantisedRows {
  return beside.format === 'quantised' ? { quantised: bytesOf(beside) } : elementsOf(beside);
}

function elementsOf(beside: RowsBeside): Elements {
  if (beside.format === 'quantised') throw new RangeError('a logit file is a reference');
  return { dtype: beside.format, data: bytesOf(beside) };
}

/** Bytes of rows. Rows of a file are read directly into the kernel memory. */
function bytesOf({ data, range }: RowsBeside): Uint8Array | ByteSource {
  if (range === undefined) return data!;
  if (isRemote(range)) throw new RangeError('rows of a remote file are fetched before a worker has them');
  return { byteLength: range.byteLength, readInto: (target) => readRange(range, target) };
}

/** Non-finite values of one side. */
function findingsOf(
  { plan: { classes }, targets, firstRow, mostPlaces }: Block,
  { dtype, side, rows }: { dtype: FloatDType; side: PlacedRows; rows: RowBlock },
): Findings {
  const facts = { ...rows, probabilities: undefined, uniformNll: undefined };
  const findings = findNonFinite(side, { ...PLAIN, facts, targets, classes, firstRow, mostPlaces });
  findings.signs = findRangeSigns(side, { dtype, classes, targets }, rows.maximum);
  return findings;
}
