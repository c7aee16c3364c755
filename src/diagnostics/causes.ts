/** A non-finite logit, or probability: `row` counts over the whole batch, `column` is its class. */
export interface Place {
  row: number;
  column: number;
  value: 'NaN' | 'Infinity' | '-Infinity';
  /** True when the column is the row's label. */
  is_label: boolean;
  /** True when the row is left out, by the mask or by ignore_index. */
  masked: boolean;
}

/** Causes in a row that make the loss non-finite, or that a finite loss may hide. */
export const ROW_CAUSES = [
  'nan_logit',
  'pos_inf_logit',
  'all_neg_inf_row',
  'neg_inf_at_label',
  'neg_inf_smoothed',
  'non_finite_probability',
] as const;
export type RowCause = (typeof ROW_CAUSES)[number];

/** Causes of a non-finite loss, and causes that a finite loss may hide. */
export const CAUSES = [...ROW_CAUSES, 'zero_denominator', 'accumulation_overflow'] as const;
export type Cause = (typeof CAUSES)[number];

/** Causes in a pair of rows: one row is −Inf at a class to which the other row gives a probability above 0. */
export const PAIR_CAUSES = ['reference_mass_at_neg_inf', 'logits_mass_at_neg_inf'] as const;

/** Causes of a non-finite comparison, and causes that a finite comparison may hide. */
export const COMPARISON_CAUSES = [
  'nan_logit',
  'pos_inf_logit',
  'all_neg_inf_row',
  'neg_inf_at_label',
  ...PAIR_CAUSES,
  'zero_denominator',
  'accumulation_overflow',
] as const;

/** A cause with the number of counted rows and the first place. */
export interface CauseReport {
  cause: Cause;
  rows: number;
  first?: Place;
}
