/** Results of files in a form that can be stored: plain values, and columns as typed arrays. */
import { countedRows } from '../comparison/summary.ts';
import { makeComparedColumns } from '../engine/block.ts';
import type { ComparedColumns } from '../engine/block.ts';
import { LossmeterError } from '../errors.ts';
import { restoreSums, saveSums } from '../loss/reduction.ts';
import { runInTurns } from '../steps.ts';
import type { ComparedFile } from './compare-files.ts';
import type { FileEvaluation } from './evaluate-file.ts';

export function saveEvaluation({ file, evaluation, options, sums }: FileEvaluation) {
  return { file, evaluation, options, sums: saveSums(sums) };
}

export type SavedEvaluation = ReturnType<typeof saveEvaluation>;

export function restoreEvaluation({ file, evaluation, options, sums }: SavedEvaluation): FileEvaluation {
  return { file, evaluation, options, sums: restoreSums(sums), leftAlone: [] };
}

/** Largest number of rows of a file. Its columns become one string, with 59 characters per row and less than 2^29 in total. */
const MOST_ROWS = 2 ** 23;

/**
 * Converts a comparison to a form that can be stored. Percentiles and standard errors need the columns, of 20 to 44 bytes per
 * row. Columns that only have default values are omitted.
 * @throws LossmeterError body_too_large
 */
export function saveComparison({ file, plan, results }: ComparedFile) {
  const { options, hasLabel, isTop, truncated, nulls, kernel, targets } = plan;
  const { classes, weights, rows, labels, sequence, segments } = targets;
  if (classes.length > MOST_ROWS) {
    const detail = `${file} has ${classes.length} rows, a partial holds at most ${MOST_ROWS} of a file: divide it`;
    throw new LossmeterError('body_too_large', detail);
  }
  const { divergence, nll, referenceNll, infinite, prediction, referencePrediction } =
    results.columns as ComparedColumns;
  const { findings, referenceFindings } = results;
  return {
    file,
    plan: { options, hasLabel, isTop, truncated, nulls, kernel },
    targets: {
      classes,
      rows,
      sequence,
      ...(weights && { weights }),
      ...(labels && { labels }),
      ...(segments && { segments: { ...segments, lengths: Int32Array.from(segments.lengths) } }),
    },
    columns: {
      divergence,
      prediction,
      referencePrediction,
      ...(hasLabel && { nll, referenceNll }),
      ...(infinite.some((column) => column >= 0) && { infinite }),
    },
    findings: { logits: findings, ...(referenceFindings && { reference: referenceFindings }) },
  };
}

export type SavedComparison = ReturnType<typeof saveComparison>;

/** Restores the rows of a file. Their answer is bit-identical to the answer before they were stored. */
export async function restoreComparison({
  file,
  plan,
  targets: { classes, weights, ...counts },
  columns: saved,
  findings,
}: SavedComparison): Promise<ComparedFile> {
  const columns = makeComparedColumns(classes.length);
  columns.infinite.fill(-1);
  Object.assign(columns, saved);
  const targets = {
    ...counts,
    classes,
    weights,
    labels: counts.labels,
    probabilities: undefined,
    classWeights: undefined,
    outputShape: [classes.length],
  };
  const counted = await runInTurns(countedRows(classes, weights));
  return {
    file,
    plan: { ...plan, targets, counted },
    results: {
      columns,
      findings: { ...findings.logits, signs: findings.logits.signs },
      referenceFindings: findings.reference,
    },
  };
}
