/** Statistics of compared rows, by the formulas of docs/compare.md. */
import { LEFT_OUT } from '../../kernels/abi.ts';
import { inSteps } from '../steps.ts';
import type { Steps } from '../steps.ts';
import { covarianceOf, meanOf, sumOver } from './moments.ts';
import type { CountedRows, MeanAndError } from './moments.ts';
import { percentileOf, sorted } from './order.ts';

/** Results of compared rows, an entry per row of the batch. */
export interface ComparedResults {
  readonly divergence: Float64Array;
  readonly prediction: Int32Array;
  readonly referencePrediction: Int32Array;
  /** −log q_y and −log p_y; undefined without labels. */
  readonly nll: Float64Array | undefined;
  readonly referenceNll: Float64Array | undefined;
}

/** A number; null when it is undetermined. */
type Determined = number | null;

export const PERCENTILES = ['0.1', '1', '5', '10', '50', '90', '95', '99', '99.9'] as const;
export const DIFFERENCE_PERCENTILES = ['0.1', '1', '5', '10', '25', '50', '75', '90', '95', '99', '99.9'] as const;

/** The counted rows of a batch. @param targets class of each row, or LEFT_OUT */
export function* countedRows(targets: Int32Array, masks: Float64Array | undefined): Steps<CountedRows> {
  let n = 0;
  yield* inSteps(targets.length, (from, to) => {
    for (let row = from; row < to; row++) if (targets[row] !== LEFT_OUT) n++;
  });
  const rows = new Int32Array(n);
  let next = 0;
  yield* inSteps(targets.length, (from, to) => {
    for (let row = from; row < to; row++) if (targets[row] !== LEFT_OUT) rows[next++] = row;
  });
  const counted = { rows, masks, weight: n };
  return masks === undefined ? counted : { ...counted, weight: yield* sumOver(counted, (row) => masks[row]!) };
}

/** Replaces NaN, an undetermined number, by null. */
function determined(value: number): Determined {
  return Number.isNaN(value) ? null : value;
}

/** Ascending values of the counted rows, without NaN. */
export function* ascendingOf({ rows }: CountedRows, value: (row: number) => number): Steps<Float64Array<ArrayBuffer>> {
  const values = new Float64Array(rows.length);
  let n = 0;
  yield* inSteps(rows.length, (from, to) => {
    for (let k = from; k < to; k++) {
      // Adding 0 turns −0 into 0: the two compare equal, so their order would be arbitrary.
      const one = value(rows[k]!) + 0;
      if (!Number.isNaN(one)) values[n++] = one;
    }
  });
  yield;
  return yield* sorted(values.subarray(0, n));
}

function distributionOf<Name extends string>(ascending: Float64Array, names: readonly Name[]) {
  const percentiles = names.map((name) => [name, determined(percentileOf(ascending, Number(name) / 100))]);
  return {
    min: determined(ascending[0] ?? Number.NaN),
    max: determined(ascending.at(-1) ?? Number.NaN),
    percentiles: Object.fromEntries(percentiles) as Record<Name, Determined>,
  };
}

const shown = ({ mean, standardError }: MeanAndError) => ({
  mean: determined(mean),
  standard_error: determined(standardError),
});

/** Statistics of the divergences. @param ascending the divergences in order, see ascendingOf */
export function* divergenceStatistics(
  counted: CountedRows,
  { divergence }: Pick<ComparedResults, 'divergence'>,
  ascending: Float64Array,
) {
  const moments = yield* meanOf(counted, (row) => divergence[row]!);
  return { ...shown(moments), ...distributionOf(ascending, PERCENTILES) };
}

/** Share of rows with the same prediction. A row without a prediction agrees with none. */
export function* agreementOf(
  counted: CountedRows,
  { prediction, referencePrediction }: Pick<ComparedResults, 'prediction' | 'referencePrediction'>,
) {
  const { mean, standardError } = yield* meanOf(counted, (row) => agrees(prediction[row]!, referencePrediction[row]!));
  return { fraction: determined(mean), standard_error: determined(standardError) };
}

/** 1 for equal predictions, else 0. */
export function agrees(prediction: number, referencePrediction: number): number {
  return prediction >= 0 && prediction === referencePrediction ? 1 : 0;
}

/** q_y − p_y from −log q_y and −log p_y, without loss of digits when the two probabilities are close. */
export function probabilityDifference(nll: number, referenceNll: number): number {
  if (nll === referenceNll) return 0;
  return nll > referenceNll
    ? Math.exp(-referenceNll) * Math.expm1(referenceNll - nll)
    : -Math.exp(-nll) * Math.expm1(nll - referenceNll);
}

/** Statistics of q_y − p_y. */
export function* differenceStatistics(counted: CountedRows, difference: (row: number) => number) {
  const moments = yield* meanOf(counted, difference);
  const squares = yield* meanOf(counted, (row) => difference(row) ** 2);
  const rms = Math.sqrt(squares.mean);
  const rmsError = rms === 0 ? 0 : squares.standardError / (2 * rms);
  const ascending = yield* ascendingOf(counted, difference);
  return {
    ...shown(moments),
    rms: determined(rms),
    rms_standard_error: determined(counted.rows.length < 2 ? Number.NaN : rmsError),
    ...distributionOf(ascending, DIFFERENCE_PERCENTILES),
  };
}

const valueAndError = (value: number, error: number) => ({
  value: determined(value),
  standard_error: Number.isFinite(value) && Number.isFinite(error) ? error : null,
});

/** Perplexities of both sides, their ratio and their difference. */
export function* perplexityStatistics(counted: CountedRows, nll: Float64Array, referenceNll: Float64Array) {
  const ofQ = (row: number): number => nll[row]!;
  const ofP = (row: number): number => referenceNll[row]!;
  const q = yield* meanOf(counted, ofQ);
  const p = yield* meanOf(counted, ofP);
  // Computed per row: the difference of two means, and a variance from covariances, lose all digits for near-equal models.
  const w = yield* meanOf(counted, (row) => (ofQ(row) === ofP(row) ? 0 : ofQ(row) - ofP(row)));
  const [ppl, referencePpl, ratio] = [Math.exp(q.mean), Math.exp(p.mean), Math.exp(w.mean)];
  const difference = ppl === referencePpl ? 0 : referencePpl * Math.expm1(w.mean);
  const variance =
    (ppl - referencePpl) * (ppl * q.standardError ** 2 - referencePpl * p.standardError ** 2) +
    ppl * referencePpl * w.standardError ** 2;
  const deviations = q.standardError * p.standardError;
  const covariance = deviations > 0 ? yield* covarianceOf(counted, [ofQ, q.mean], [ofP, p.mean]) : Number.NaN;
  return {
    logits: valueAndError(ppl, ppl * q.standardError),
    reference: valueAndError(referencePpl, referencePpl * p.standardError),
    log_ratio: valueAndError(w.mean, w.standardError),
    ratio: valueAndError(ratio, ratio * w.standardError),
    difference: valueAndError(difference, Math.sqrt(Math.max(0, variance))),
    correlation: determined(Math.min(1, Math.max(-1, covariance / deviations))),
  };
}

/** Counted rows with the greatest divergence, in descending order; ties in row order. Rows with NaN are left out. */
export function* worstRows(
  { rows }: CountedRows,
  { divergence }: Pick<ComparedResults, 'divergence'>,
  { ascending, most }: { ascending: Float64Array; most: number },
): Steps<number[]> {
  if (most === 0 || ascending.length === 0) return [];
  const least = ascending[Math.max(0, ascending.length - most)]!;
  const above: number[] = [];
  const equal: number[] = [];
  yield* inSteps(rows.length, (from, to) => {
    for (let k = from; k < to; k++) {
      const row = rows[k]!;
      if (divergence[row]! > least) above.push(row);
      else if (divergence[row] === least && equal.length < most) equal.push(row);
    }
  });
  return [...above, ...equal]
    .slice(0, most)
    .toSorted((a, b) => (divergence[a] === divergence[b] ? a - b : divergence[a]! < divergence[b]! ? 1 : -1));
}
