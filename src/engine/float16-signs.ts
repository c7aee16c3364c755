import { LEFT_OUT } from '../../kernels/abi.ts';
import type { Kernel } from '../../kernels/kernel.ts';
import type { Float16Findings } from '../diagnostics/findings.ts';
import type { Block } from './block.ts';

/** Logits per row that are searched for subnormals: few enough to cost nothing, and enough for an estimate. */
const SUBNORMAL_SPAN = 256;

const LARGEST_FLOAT16 = 65_504;

/**
 * Counts signs of overflow and underflow in float16 logits.
 * @param surveyed results of a survey of all values, if there was one: then values of both signs count
 */
export function findFloat16(
  kernel: Kernel,
  { plan: { dtype, classes }, targets }: Block,
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
