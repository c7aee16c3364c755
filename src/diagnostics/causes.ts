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

/** Causes in a row that make the loss non-finite, or may surprise. */
export const ROW_CAUSES = [
  'nan_logit',
  'pos_inf_logit',
  'all_neg_inf_row',
  'neg_inf_at_label',
  'neg_inf_smoothed',
  'non_finite_probability',
] as const;
export type RowCause = (typeof ROW_CAUSES)[number];

/** Causes of a loss that is non-finite, or may surprise. */
export const CAUSES = [...ROW_CAUSES, 'zero_denominator', 'accumulation_overflow'] as const;
export type Cause = (typeof CAUSES)[number];

/** Causes in two rows: one is −Inf at a class to which the other one gives some probability. */
export const PAIR_CAUSES = ['reference_mass_at_neg_inf', 'logits_mass_at_neg_inf'] as const;

/** Causes of a comparison that is not finite, or may surprise. */
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
