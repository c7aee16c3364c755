import { LEFT_OUT } from '../../kernels/abi.ts';
import type { PlacedRows } from '../../kernels/rows.ts';
import type { RangeSigns } from '../diagnostics/findings.ts';
import { NARROW_RANGES } from '../tensor/dtype.ts';
import type { FloatDType } from '../tensor/dtype.ts';

/** Logits per row that are searched for subnormals: few enough to take little time, and enough for an estimate. */
const SUBNORMAL_SPAN = 256;

/**
 * Counts signs of overflow and underflow in logits of a narrow range.
 * @param surveyed results of a survey of all values; with a survey, largest values of both signs count
 */
export function findRangeSigns(
  rows: PlacedRows,
  { dtype, classes, targets }: { dtype: FloatDType; classes: number; targets: Int32Array },
  maximum: Float64Array,
  surveyed?: { subnormal: number; minimum: Float64Array },
): RangeSigns | undefined {
  const largest = NARROW_RANGES[dtype]?.largest;
  if (largest === undefined) return undefined;
  const signs = { dtype, largest: 0, subnormal: surveyed?.subnormal ?? 0, sampled: 0 };
  targets.forEach((target, row) => {
    if (target === LEFT_OUT) return;
    signs.sampled += surveyed === undefined ? Math.min(classes, SUBNORMAL_SPAN) : classes;
    if (surveyed === undefined) signs.subnormal += rows.subnormalsInRow(row, SUBNORMAL_SPAN);
    if (maximum[row] === largest) signs.largest += rows.countInRow(row, largest);
    if (surveyed?.minimum[row] === -largest) signs.largest += rows.countInRow(row, -largest);
  });
  return signs;
}
