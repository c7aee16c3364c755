import type { Diagnostics, RangeReport } from '../contract/diagnostics.ts';
import { ROW_CAUSES } from '../diagnostics/causes.ts';
import type { CauseReport } from '../diagnostics/causes.ts';
import type { Findings, RangeSigns } from '../diagnostics/findings.ts';
import { isFiniteLoss } from '../loss/reduction.ts';
import type { Reduction } from '../loss/reduction.ts';
import { count, summarize } from '../diagnostics/summary.ts';
import type { RecordedAs } from '../diagnostics/summary.ts';
import type { Targets } from '../loss/targets.ts';
import { NARROW_RANGES } from '../tensor/dtype.ts';

/** Parts of a reduction that the report needs. */
type Reduced = Pick<
  Reduction,
  'sums' | 'loss' | 'gradientNorm' | 'localLosses' | 'withoutPrediction' | 'overflowingRows' | 'sumOverflows'
>;

/** Properties of a batch that its report needs in addition to its rows. */
interface Received {
  /** Number of entries sent as null. */
  nulls: number;
  /** Place of the batch in a run, if it is recorded. */
  recorded?: RecordedAs;
}

/** Makes the diagnostics of a batch. */
export function diagnose(
  findings: Findings,
  { sums, loss, gradientNorm, localLosses, withoutPrediction, overflowingRows, sumOverflows }: Reduced,
  { probabilities, labels, rows }: Pick<Targets, 'probabilities' | 'labels' | 'rows'>,
  { nulls, recorded }: Received,
): Diagnostics {
  const causes: CauseReport[] = causesOf(findings);
  if (sums.denominators.loss === 0) causes.push({ cause: 'zero_denominator', rows: 0 });
  const finite = isFiniteLoss(loss, sums);
  // Number of rows whose loss exceeds the range of float64. The sum of the rows may exceed it too.
  const overflowing = overflowingRows + findings.overflowing;
  if (!finite && (overflowing > 0 || sumOverflows || causes.length === 0)) {
    causes.push({ cause: 'accumulation_overflow', rows: overflowing });
  }
  const report: Omit<Diagnostics, 'verdict' | 'summary'> = {
    causes,
    ...foundOf(findings),
    ...(nulls > 0 && { nulls }),
    ...(labels !== undefined && { labels }),
    ...(probabilities !== undefined && {
      probabilities: { not_one: findings.notOne, negative: findings.negative },
    }),
    ...(gradientNorm !== undefined && { gradient: { norm: gradientNorm, finite: Number.isFinite(gradientNorm) } }),
    ...(localLosses !== undefined && { local_losses: localLosses }),
    ...(withoutPrediction !== undefined && { rows_without_prediction: withoutPrediction }),
    worst_rows: findings.worst,
  };
  const verdict = finite ? 'finite' : 'non_finite';
  return { verdict, summary: summarize({ verdict, ...report }, rows.counted, recorded), ...report };
}

/** Reports of the causes that were found in rows. */
export function causesOf({ causes }: Pick<Findings, 'causes'>): CauseReport[] {
  return ROW_CAUSES.flatMap((cause) => {
    const found = causes[cause];
    return found === undefined ? [] : [{ cause, ...found }];
  });
}

/**
 * Summarizes the findings in a tensor.
 * @param infinite number of values that are signs of overflow. −Infinity in logits is a mask, not a sign.
 */
export function foundOf(
  findings: Findings,
  infinite = findings.posInf,
): Pick<Diagnostics, 'logits' | 'locations' | 'masked_rows_non_finite' | 'float16' | 'float8'> {
  const { nan, posInf, negInf, badRows, maximum, signs, locations, leftOutBadRows } = findings;
  return {
    logits: {
      nan,
      pos_inf: posInf,
      neg_inf: negInf,
      // The maximum of shards may be 0 or −0, which are equal. Adding 0 makes it 0.
      ...(maximum !== -Infinity && { max: maximum + 0 }),
      bad_rows: badRows,
    },
    locations,
    masked_rows_non_finite: leftOutBadRows,
    ...(signs !== undefined && reportSigns(signs, { nan, infinite })),
  };
}

/**
 * Reports signs of overflow under the name of the dtype family. In float8, the largest value alone is not a sign, because
 * tensors are scaled to it.
 */
function reportSigns(
  { dtype, largest, subnormal, sampled }: RangeSigns,
  { nan, infinite }: { nan: number; infinite: number },
): Pick<Diagnostics, 'float16' | 'float8'> {
  const range = NARROW_RANGES[dtype]!;
  const beyond = range.overflow === 'NaN' ? nan : infinite;
  const overflows = beyond > 0 || (range.field === 'float16' && largest > 0);
  const report: RangeReport = {
    at_largest: largest,
    subnormal_fraction: sampled === 0 ? 0 : subnormal / sampled,
    ...(overflows && {
      hint: `this looks like overflow of ${dtype}: ${range.largest}, its largest finite value, occurs ${count(largest, 'time')}, ${range.overflow} ${count(beyond, 'time')}; compute it in bfloat16 or float32, or make it smaller`,
    }),
  };
  return { [range.field]: report };
}
