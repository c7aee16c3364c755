import { LEFT_OUT, NonFinite } from '../../kernels/loader.ts';
import type { Kernel, RowBlock } from '../../kernels/loader.ts';

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
export const ROW_CAUSES = ['nan_logit', 'pos_inf_logit', 'all_neg_inf_row', 'neg_inf_at_label'] as const;
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
  causes: Partial<Record<RowCause, { rows: number; first: Place }>>;
  /** The first non-finite logits, in row-major order. */
  locations: Place[];
}

export function noFindings(): Findings {
  return { nan: 0, posInf: 0, negInf: 0, badRows: 0, leftOutBadRows: 0, causes: {}, locations: [] };
}

/**
 * Finds out about the rows of the block that the kernel evaluated last. Costs nothing for rows of finite logits: only
 * rows in which the kernel counted a non-finite value are looked at again.
 * @param firstRow the block's first row in the batch
 */
export function findNonFinite(kernel: Kernel, block: RowBlock, targets: Int32Array, firstRow: number): Findings {
  const findings = noFindings();
  for (let row = 0; row < targets.length; row++) {
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
    const found = (cause: RowCause, first: () => Place): void => {
      const known = findings.causes[cause];
      if (known === undefined) findings.causes[cause] = { rows: 1, first: first() };
      else known.rows++;
    };
    if (nan > 0) found('nan_logit', () => placeOf(kernel.findNonFinite(row, 0, NonFinite.nan), 'NaN'));
    if (posInf > 0) found('pos_inf_logit', () => placeOf(kernel.findNonFinite(row, 0, NonFinite.posInf), 'Infinity'));
    if (block.lse[row] === -Infinity) found('all_neg_inf_row', () => placeOf(0, '-Infinity'));
    else if (block.targetLogit[row] === -Infinity) found('neg_inf_at_label', () => placeOf(target, '-Infinity'));
  }
  return findings;
}

/** Adds the findings of the rows that follow. */
export function appendFindings(all: Findings, next: Findings): void {
  all.nan += next.nan;
  all.posInf += next.posInf;
  all.negInf += next.negInf;
  all.badRows += next.badRows;
  all.leftOutBadRows += next.leftOutBadRows;
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
}

/**
 * The report of a batch.
 * @param numerator Σ m·ℓ over counted rows
 * @param denominator Σ m over counted rows
 * @param loss undefined when none is formed
 */
export function diagnose(
  findings: Findings,
  { numerator, denominator, loss }: { numerator: number; denominator: number; loss: number | undefined },
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
  };
}
