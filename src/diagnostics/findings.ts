import { LEFT_OUT, NO_TARGET, NonFinite, Odd } from '../../kernels/abi.ts';
import type { RowBlock } from '../../kernels/bindings.ts';
import type { NonFiniteFinder } from '../../kernels/rows.ts';
import type { FloatDType } from '../tensor/dtype.ts';
import { ROW_CAUSES } from './causes.ts';
import type { Place, RowCause } from './causes.ts';
import { mergeWorst } from './worst-rows.ts';
import type { WorstRow } from './worst-rows.ts';

/** Findings in a block of rows, or in several blocks in row order. */
export interface Findings {
  /** Counts over counted rows. */
  nan: number;
  posInf: number;
  negInf: number;
  badRows: number;
  /** Rows left out that contain a non-finite value. */
  leftOutBadRows: number;
  /** Greatest finite logit of the counted rows, before any transform; −Infinity when there is none. */
  maximum: number;
  /** Counted rows whose nll is beyond the range of float64 although their logits and probabilities are finite. */
  overflowing: number;
  /** Counts of logits of a narrow range, over counted rows. */
  signs: RangeSigns | undefined;
  worst: WorstRow[];
  causes: Partial<Record<RowCause, { rows: number; first?: Place }>>;
  /**
   * Counts for class probabilities: counted rows that do not sum to 1, and counted rows with a negative probability.
   */
  notOne: number;
  negative: number;
  /** The first non-finite logits, in row-major order. */
  locations: Place[];
}

/** Signs of overflow and underflow in a dtype of narrow range. */
export interface RangeSigns {
  dtype: FloatDType;
  /** Number of logits that are the largest finite value of the dtype. */
  largest: number;
  /** Number of subnormals among the first logits of the rows, and number of logits examined. */
  subnormal: number;
  sampled: number;
}

export function noFindings(): Findings {
  return {
    maximum: -Infinity,
    overflowing: 0,
    signs: undefined,
    worst: [],
    nan: 0,
    posInf: 0,
    negInf: 0,
    badRows: 0,
    leftOutBadRows: 0,
    causes: {},
    notOne: 0,
    negative: 0,
    locations: [],
  };
}

/** Facts that determine the causes of a row; arrays with an entry per row. */
export interface RowFacts extends Omit<RowBlock, 'reference' | 'logSum'> {
  /** Facts about class probabilities: bits of Odd, and Σ_c p_c·(lse − x_c). */
  probabilities: { odd: Int32Array; nll: Float64Array } | undefined;
  /** Σ_c w_c·(lse − x_c) / classUnit, with label smoothing. */
  uniformNll: Float64Array | undefined;
}

/**
 * Finds the causes of non-finite rows in one pass over the facts.
 * @param targets class of each row, with class probabilities the most probable one; LEFT_OUT, NO_TARGET
 * @param places locates values: the first place of a cause in a row, if it can be determined; and the first non-finite
 *   logits of a row, `most` at most
 * @param mostPlaces maximum number of places in an answer
 * @param isShard true when other shards have the other classes of the rows: possible effects of −Inf are reported too
 */
export function findCauses(
  { maximum, nanCount, posInfCount, negInfCount, lse, nll, targetLogit, probabilities, uniformNll }: RowFacts,
  targets: Int32Array,
  places: {
    first: (cause: RowCause, row: number) => Place | undefined;
    locate: (row: number, most: number) => Place[];
  },
  mostPlaces: number,
  isShard = false,
): Findings {
  const findings = noFindings();
  const found = (cause: RowCause, row: number): void => {
    const known = findings.causes[cause];
    if (known !== undefined) {
      known.rows++;
      return;
    }
    const first = places.first(cause, row);
    if (isShard && first === undefined) return;
    findings.causes[cause] = { rows: 1, ...(first !== undefined && { first }) };
  };
  const isFiniteLoss = (row: number): boolean =>
    Number.isFinite((probabilities?.nll ?? nll)[row]) && Number.isFinite(uniformNll?.[row] ?? 0);
  /**
   * True for −Inf at the label; with class probabilities, at any class of non-zero probability. NaN and Infinity have
   * their own causes.
   */
  const isNegInfAtLabel = (row: number): boolean => {
    if (probabilities === undefined) return targetLogit[row] === -Infinity;
    const isFinite = !(probabilities.odd[row]! & Odd.nonFinite);
    return isFinite && (isShard || !Number.isFinite(probabilities.nll[row]));
  };
  /**
   * True when label smoothing meets −Inf. The sum over classes at −Inf is infinite with the sign of their weights, and
   * NaN for weights of both signs.
   */
  const isSmoothed = (row: number): boolean =>
    uniformNll !== undefined && (isShard || !Number.isFinite(uniformNll[row]));
  for (let row = 0; row < targets.length; row++) {
    const masked = targets[row] === LEFT_OUT;
    if (!masked) findings.maximum = Math.max(findings.maximum, maximum[row]!);
    if (probabilities !== undefined && !masked) {
      const odd = probabilities.odd[row]!;
      if (odd & Odd.notOne) findings.notOne++;
      if (odd & Odd.negative) findings.negative++;
      if (odd & Odd.nonFinite) found('non_finite_probability', row);
    }
    const [nan, posInf, negInf] = [nanCount[row]!, posInfCount[row]!, negInfCount[row]!];
    const isExplained = ((probabilities?.odd[row] ?? 0) & Odd.nonFinite) !== 0 || nan + posInf > 0;
    if (nan + posInf + negInf === 0) {
      if (targets[row]! >= 0 && !isExplained && !isFiniteLoss(row)) findings.overflowing++;
      continue;
    }
    const most = mostPlaces - findings.locations.length;
    if (most > 0) findings.locations.push(...places.locate(row, most));
    if (masked) {
      findings.leftOutBadRows++;
      continue;
    }
    findings.nan += nan;
    findings.posInf += posInf;
    findings.negInf += negInf;
    findings.badRows++;
    if (nan > 0) found('nan_logit', row);
    if (posInf > 0) found('pos_inf_logit', row);
    const isThroughout = lse[row] === -Infinity;
    if (isThroughout) found('all_neg_inf_row', row);
    // A row with an invalid label has no loss that −Inf could affect. In a shard the label may belong to another shard.
    if (negInf === 0 || (!isShard && (isThroughout || targets[row] === NO_TARGET))) continue;
    if (isNegInfAtLabel(row)) found('neg_inf_at_label', row);
    else if (isSmoothed(row)) found('neg_inf_smoothed', row);
    else if (!isExplained && !isShard && !isFiniteLoss(row)) findings.overflowing++;
  }
  return findings;
}

/** A block of rows, and the results of its kernel. */
export interface EvaluatedBlock {
  facts: RowFacts;
  /** The targets, in the form that findCauses takes. */
  targets: Int32Array;
  classes: number;
  /** Weights of the classes; undefined means 1 for every class. */
  weights: Float64Array | undefined;
  /** Probability p_c of a row's class; for blocks with class probabilities. */
  probabilityAt: (row: number, column: number) => number;
  /** First row and first column of the block in the batch. */
  firstRow: number;
  firstColumn: number;
  /** Maximum number of places in an answer. */
  mostPlaces: number;
  /** `isShard` of findCauses. */
  isShard: boolean;
}

/** Value of a place by its kind of NonFinite. */
const VALUES: Readonly<Record<number, number>> = {
  [NonFinite.nan]: Number.NaN,
  [NonFinite.posInf]: Infinity,
  [NonFinite.negInf]: -Infinity,
};

/** Values of a block without class weights, class probabilities and other shards. */
export const PLAIN = {
  weights: undefined,
  probabilityAt: () => 0,
  firstColumn: 0,
  isShard: false,
} satisfies Partial<EvaluatedBlock>;

/**
 * Finds the causes in a block. Only rows with non-finite logits are searched again.
 */
export function findNonFinite(rows: NonFiniteFinder, block: EvaluatedBlock): Findings {
  const { facts, targets, classes, weights, firstRow, firstColumn, mostPlaces, isShard, probabilityAt } = block;
  const placeOf = (row: number, column: number, value: number): Place => ({
    row: firstRow + row,
    column: firstColumn + column,
    value: nameOf(value),
    is_label: column === targets[row],
    masked: targets[row] === LEFT_OUT,
  });
  /** Finds the first −Inf of a row at a class with non-zero weight. */
  const firstNegInf = (row: number, counts: (column: number) => boolean): Place | undefined => {
    let column = -1;
    do column = rows.findNonFinite(row, column + 1, NonFinite.negInf);
    while (column >= 0 && !counts(column));
    return column < 0 ? undefined : placeOf(row, column, -Infinity);
  };
  const first = (cause: RowCause, row: number): Place | undefined => {
    switch (cause) {
      case 'nan_logit':
        return placeOf(row, rows.findNonFinite(row, 0, NonFinite.nan), Number.NaN);
      case 'pos_inf_logit':
        return placeOf(row, rows.findNonFinite(row, 0, NonFinite.posInf), Infinity);
      case 'all_neg_inf_row':
        return placeOf(row, 0, -Infinity);
      case 'neg_inf_at_label': {
        if (facts.probabilities === undefined) return placeOf(row, targets[row]!, -Infinity);
        return firstNegInf(row, (column) => probabilityAt(row, column) !== 0);
      }
      case 'neg_inf_smoothed':
        return firstNegInf(row, (column) => weights?.[column] !== 0);
      case 'non_finite_probability':
        for (let column = 0; column < classes; column++) {
          const value = probabilityAt(row, column);
          if (!Number.isFinite(value)) return placeOf(row, column, value);
        }
        // All probabilities are finite; their sum is not.
        return undefined;
    }
  };
  const locate = (row: number, most: number): Place[] => {
    const found: Place[] = [];
    for (let column = -1; found.length < most;) {
      column = rows.findNonFinite(row, column + 1, NonFinite.any);
      if (column < 0) break;
      // Reads the one logit: a search for a kind would read the rest of the row when the logit is of another kind.
      found.push(placeOf(row, column, VALUES[rows.nonFiniteKindOf(row, column)]!));
    }
    return found;
  };
  return findCauses(facts, targets, { first, locate }, mostPlaces, isShard);
}

function nameOf(value: number): Place['value'] {
  return Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity';
}

/** Adds the findings of the following rows. */
export function appendFindings(all: Findings, next: Findings, mostPlaces: number): void {
  all.nan += next.nan;
  all.posInf += next.posInf;
  all.negInf += next.negInf;
  all.badRows += next.badRows;
  all.leftOutBadRows += next.leftOutBadRows;
  all.maximum = Math.max(all.maximum, next.maximum);
  all.overflowing += next.overflowing;
  all.signs = addSigns(all.signs, next.signs);
  all.worst = mergeWorst(all.worst, next.worst);
  all.notOne += next.notOne;
  all.negative += next.negative;
  for (const cause of ROW_CAUSES) {
    const found = next.causes[cause];
    if (found === undefined) continue;
    const known = all.causes[cause];
    if (known === undefined) all.causes[cause] = found;
    else known.rows += found.rows;
  }
  all.locations.push(...next.locations.slice(0, mostPlaces - all.locations.length));
}

export function addSigns(a: RangeSigns | undefined, b: RangeSigns | undefined): RangeSigns | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  // Shards of several dtypes: the signs of the first are reported.
  if (a.dtype !== b.dtype) return a;
  return {
    dtype: a.dtype,
    largest: a.largest + b.largest,
    subnormal: a.subnormal + b.subnormal,
    sampled: a.sampled + b.sampled,
  };
}
