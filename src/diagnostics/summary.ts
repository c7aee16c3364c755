import type { CauseReport } from './causes.ts';

/** Step and rank of a recorded batch. */
export interface RecordedAs {
  step: number;
  rank: number;
}

/** Parts of a diagnosis that a summary uses. */
interface Summarized {
  verdict: 'finite' | 'non_finite';
  causes: readonly CauseReport[];
  masked_rows_non_finite: number;
  nulls?: number;
  labels?: { out_of_range: number };
  float16?: { hint?: string };
  float8?: { hint?: string };
}

/**
 * Describes the findings in one line for logs and notebooks:
 * `NaN in 3 of 4096 rows; first at row 17, class 20011 (not the label)`.
 * @param counted number of counted rows
 * @param recorded prefix for a recorded batch: `step 41200, rank 3: …`
 */
export function summarize(
  { verdict, causes, masked_rows_non_finite: leftOut, nulls = 0, labels, float16, float8 }: Summarized,
  counted: number,
  recorded?: RecordedAs,
): string {
  const found = describeCauses(causes, counted);
  const outOfRange = labels?.out_of_range ?? 0;
  const clauses = [
    verdict === 'non_finite' ? found : `the loss is finite${found === '' ? '' : `, though ${found}`}`,
    ...(leftOut > 0 ? [`non-finite values in ${count(leftOut, 'left-out row')} do not affect the loss`] : []),
    ...(nulls > 0 ? [`${count(nulls, 'null')} read as NaN`] : []),
    ...(outOfRange > 0 ? [`${count(outOfRange, 'label')} out of range, counted with loss 0`] : []),
    ...[float16?.hint, float8?.hint].filter((hint) => hint !== undefined),
  ];
  const where = recorded === undefined ? '' : `step ${recorded.step}, rank ${recorded.rank}: `;
  return where + clauses.join('; ');
}

/** Description of each cause. */
const WORDS = {
  nan_logit: 'NaN',
  pos_inf_logit: 'Infinity',
  all_neg_inf_row: 'every logit is -Infinity',
  neg_inf_at_label: '-Infinity at the label',
  neg_inf_smoothed: '-Infinity at a class with a share of label_smoothing',
  non_finite_probability: 'a probability that is not finite',
} as const;

/** @param counted number of counted rows */
export function describeCauses(causes: readonly CauseReport[], counted: number): string {
  return causes.map((cause) => describeCause(cause, counted)).join('; ');
}

function describeCause({ cause, rows, first }: CauseReport, counted: number): string {
  if (cause === 'zero_denominator') {
    const why = counted === 0 ? 'nothing is counted' : `the weights of ${count(counted, 'counted row')} sum to 0`;
    return `${why}: the denominator is 0`;
  }
  if (cause === 'accumulation_overflow') {
    return `${rows === 0 ? 'the sum of the rows' : `the loss of ${count(rows, 'row')}`} overflows float64`;
  }
  const place = first === undefined ? '' : `; first at row ${first.row}${columnOf(cause, first)}`;
  const isElsewhere = cause === 'neg_inf_at_label' && first?.is_label === false;
  return `${isElsewhere ? '-Infinity at a class with a probability other than 0' : WORDS[cause]} in ${rows} of ${count(counted, 'row')}${place}`;
}

function columnOf(
  cause: CauseReport['cause'],
  { column, is_label: isLabel }: NonNullable<CauseReport['first']>,
): string {
  // `all_neg_inf_row` is about every column; `neg_inf_at_label` is at the label by definition.
  if (cause === 'all_neg_inf_row') return '';
  const what = cause === 'neg_inf_at_label' ? '' : isLabel ? ' (the label)' : ' (not the label)';
  return `, class ${column}${what}`;
}

export function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}
