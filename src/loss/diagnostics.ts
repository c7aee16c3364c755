import { LEFT_OUT, NonFinite, Odd } from '../../kernels/loader.ts';
import type { Kernel, RowBlock } from '../../kernels/loader.ts';
import type { Reduction } from './reduction.ts';
import type { Targets } from './targets.ts';

/** How many places of non-finite logits an answer names. */
const MAX_LOCATIONS = 16;

/** A non-finite logit: `row` counts over the whole batch, `column` is its class. */
interface Place {
  row: number;
  column: number;
  value: 'NaN' | 'Infinity' | '-Infinity';
  /** Whether the column is the row's label. */
  is_label: boolean;
  /** Whether the row is left out, by the mask or by ignore_index. */
  masked: boolean;
}

/** Why a loss is not finite, or may surprise; each with the number of counted rows and the first place. */
export const ROW_CAUSES = [
  'nan_logit',
  'pos_inf_logit',
  'all_neg_inf_row',
  'neg_inf_at_label',
  'non_finite_probability',
] as const;
type RowCause = (typeof ROW_CAUSES)[number];
type Cause = RowCause | 'zero_denominator' | 'accumulation_overflow';

interface CauseReport {
  cause: Cause;
  rows: number;
  first?: Place;
}

/** What was found in a block of rows, or in several of them in row order. */
export interface Findings {
  /** Counts over counted rows. */
  nan: number;
  posInf: number;
  negInf: number;
  badRows: number;
  /** Rows left out that hold a non-finite value. */
  leftOutBadRows: number;
  causes: Partial<Record<RowCause, { rows: number; first?: Place }>>;
  /** Of class probabilities: counted rows that do not sum to 1, and those with a negative one. */
  notOne: number;
  negative: number;
  /** The first non-finite logits, in row-major order. */
  locations: Place[];
}

export function noFindings(): Findings {
  return {
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

/** The class probabilities of a block. */
export interface BlockProbabilities {
  /** Per row what is odd about it: bits of Odd. */
  odd: Int32Array;
  /** Per row Σ_c p_c·(lse − x_c). */
  nll: Float64Array;
  /** p_c of a row. */
  at: (row: number, column: number) => number;
}

/**
 * Finds out about the rows of the block that the kernel evaluated last. Costs nothing for rows of finite logits: only
 * rows in which the kernel counted a non-finite value are looked at again.
 * @param targets the class of each row, with class probabilities its most probable one
 * @param firstRow the block's first row in the batch
 */
export function findNonFinite(
  kernel: Kernel,
  block: RowBlock,
  targets: Int32Array,
  {
    firstRow,
    classes,
    probabilities,
  }: {
    firstRow: number;
    classes: number;
    probabilities: BlockProbabilities | undefined;
  },
): Findings {
  const findings = noFindings();
  const found = (cause: RowCause, first: () => Place | undefined): void => {
    const known = findings.causes[cause];
    if (known !== undefined) {
      known.rows++;
      return;
    }
    const place = first();
    findings.causes[cause] = { rows: 1, ...(place !== undefined && { first: place }) };
  };
  for (let row = 0; row < targets.length; row++) {
    if (probabilities !== undefined && targets[row] !== LEFT_OUT) {
      const odd = probabilities.odd[row]!;
      if (odd & Odd.notOne) findings.notOne++;
      if (odd & Odd.negative) findings.negative++;
      if (odd & Odd.nonFinite) {
        found('non_finite_probability', () => {
          for (let column = 0; column < classes; column++) {
            const value = probabilities.at(row, column);
            if (Number.isFinite(value)) continue;
            const isLabel = column === targets[row];
            return { row: firstRow + row, column, value: nameOf(value), is_label: isLabel, masked: false };
          }
          // Every one is finite: their sum is not.
          return undefined;
        });
      }
    }
    const nan = block.nanCount[row]!;
    const posInf = block.posInfCount[row]!;
    const negInf = block.negInfCount[row]!;
    if (nan + posInf + negInf === 0) continue;

    const target = targets[row]!;
    const masked = target === LEFT_OUT;
    const placeOf = (column: number, value: Place['value']): Place => ({
      row: firstRow + row,
      column,
      value,
      is_label: column === target,
      masked,
    });
    for (let column = -1; findings.locations.length < MAX_LOCATIONS;) {
      column = kernel.findNonFinite(row, column + 1, NonFinite.any);
      if (column < 0) break;
      const is = (kind: number): boolean => kernel.findNonFinite(row, column, kind) === column;
      findings.locations.push(
        placeOf(column, is(NonFinite.nan) ? 'NaN' : is(NonFinite.posInf) ? 'Infinity' : '-Infinity'),
      );
    }
    if (masked) {
      findings.leftOutBadRows++;
      continue;
    }
    findings.nan += nan;
    findings.posInf += posInf;
    findings.negInf += negInf;
    findings.badRows++;
    if (nan > 0) found('nan_logit', () => placeOf(kernel.findNonFinite(row, 0, NonFinite.nan), 'NaN'));
    if (posInf > 0) found('pos_inf_logit', () => placeOf(kernel.findNonFinite(row, 0, NonFinite.posInf), 'Infinity'));
    if (block.lse[row] === -Infinity) found('all_neg_inf_row', () => placeOf(0, '-Infinity'));
    else if (probabilities === undefined) {
      if (block.targetLogit[row] === -Infinity) found('neg_inf_at_label', () => placeOf(target, '-Infinity'));
    } else if (negInf > 0 && probabilities.nll[row] === Infinity) {
      found('neg_inf_at_label', () => {
        let column = kernel.findNonFinite(row, 0, NonFinite.negInf);
        while (probabilities.at(row, column) === 0) column = kernel.findNonFinite(row, column + 1, NonFinite.negInf);
        return placeOf(column, '-Infinity');
      });
    }
  }
  return findings;
}

function nameOf(value: number): Place['value'] {
  return Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity';
}

/** Adds the findings of the rows that follow. */
export function appendFindings(all: Findings, next: Findings): void {
  all.nan += next.nan;
  all.posInf += next.posInf;
  all.negInf += next.negInf;
  all.badRows += next.badRows;
  all.leftOutBadRows += next.leftOutBadRows;
  all.notOne += next.notOne;
  all.negative += next.negative;
  for (const cause of ROW_CAUSES) {
    const found = next.causes[cause];
    if (found === undefined) continue;
    const known = all.causes[cause];
    if (known === undefined) all.causes[cause] = found;
    else known.rows += found.rows;
  }
  all.locations.push(...next.locations.slice(0, MAX_LOCATIONS - all.locations.length));
}

export interface Diagnostics {
  verdict: 'finite' | 'non_finite';
  causes: CauseReport[];
  logits: { nan: number; pos_inf: number; neg_inf: number; bad_rows: number };
  locations: Place[];
  masked_rows_non_finite: number;
  /** Counted rows of class probabilities that are odd; absent with class indices. */
  probabilities?: { not_one: number; negative: number };
  gradient?: { norm: number; finite: boolean };
  local_losses?: number[];
}

/** What of a reduction the report is about. */
type Reduced = Pick<Reduction, 'numerator' | 'denominator' | 'loss' | 'gradientNorm' | 'localLosses'>;

/** The report of a batch. */
export function diagnose(
  findings: Findings,
  { numerator, denominator, loss, gradientNorm, localLosses }: Reduced,
  { probabilities }: Pick<Targets, 'probabilities'>,
): Diagnostics {
  const causes: CauseReport[] = ROW_CAUSES.flatMap((cause) => {
    const found = findings.causes[cause];
    return found === undefined ? [] : [{ cause, ...found }];
  });
  if (denominator === 0) causes.push({ cause: 'zero_denominator', rows: 0 });
  const finite = Number.isFinite(loss ?? numerator);
  // Every logit is finite then: the loss of a row, or the sum of the rows, left the range of float64.
  if (!finite && causes.length === 0) causes.push({ cause: 'accumulation_overflow', rows: 0 });
  return {
    verdict: finite ? 'finite' : 'non_finite',
    causes,
    logits: { nan: findings.nan, pos_inf: findings.posInf, neg_inf: findings.negInf, bad_rows: findings.badRows },
    locations: findings.locations,
    masked_rows_non_finite: findings.leftOutBadRows,
    ...(probabilities !== undefined && {
      probabilities: { not_one: findings.notOne, negative: findings.negative },
    }),
    ...(gradientNorm !== undefined && { gradient: { norm: gradientNorm, finite: Number.isFinite(gradientNorm) } }),
    ...(localLosses !== undefined && { local_losses: localLosses }),
  };
}

/** In words why a loss is not finite. */
export function explain({ causes }: Diagnostics): string {
  return causes
    .map(({ cause, rows, first }) => {
      if (first === undefined) return cause;
      return `${cause} in ${rows} row${rows === 1 ? '' : 's'}, first at row ${first.row}, class ${first.column} (${first.value})`;
    })
    .join('; ');
}
