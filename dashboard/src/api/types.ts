/** Answers of the API of runs. Non-finite numbers travel as text; the client has parsed them. */

export type Label = string | number | boolean;

export interface RunSummary {
  run: string;
  labels: Record<string, Label>;
  expected_ranks?: number;
  created_at: string;
  updated_at: string;
  /** Active: something was recorded within the last five minutes. */
  status: 'active' | 'idle';
  steps: number;
  batches: number;
  ranks: number;
  last_step?: number;
  last_loss?: number;
  best_step?: number;
  best_loss?: number;
  non_finite_steps: number;
  /** Up to 64 finite losses over the whole run. */
  sparkline: number[];
}

export interface StepPoint {
  step: number;
  attempt: number;
  loss: number;
  numerator: number;
  denominator: number;
  complete: boolean;
  non_finite: boolean;
  spike: boolean;
  /** Ranks that have reported. */
  ranks: number;
  recorded_at: string;
  rank_losses?: { min: number; max: number };
  causes?: string[];
  summary?: string;
}

interface MicroBatch {
  micro_batch: number;
  loss: number;
  numerator: number;
  denominator: number;
  recorded_at: string;
  diagnostics: Diagnostics;
}

export interface RankDetail {
  rank: number;
  loss: number;
  numerator: number;
  denominator: number;
  micro_batches: MicroBatch[];
}

export interface StepDetail extends StepPoint {
  run: string;
  missing_ranks: number[];
  /** Number of its micro-batches, of which the details may have the first only. */
  batches?: number;
  rank_details: RankDetail[];
  /** Set where there are more micro-batches. */
  next?: string;
}

/** Place of a logit that is not finite. */
export interface Place {
  row: number;
  column: number;
  value: number;
  is_label: boolean;
  masked: boolean;
}

export interface Cause {
  cause: string;
  rows: number;
  first?: Place;
}

export interface WorstRow {
  row: number;
  label: number;
  loss: number;
  target_rank?: number;
}

/** Diagnostics of a batch. A recorded pair of sums, and a batch without findings, have only the first three. */
export interface Diagnostics {
  verdict: 'finite' | 'non_finite';
  summary: string;
  causes: Cause[];
  logits?: { nan: number; pos_inf: number; neg_inf: number; max?: number; bad_rows: number };
  locations?: Place[];
  masked_rows_non_finite?: number;
  worst_rows?: WorstRow[];
  float16?: { at_largest: number; subnormal_fraction: number; hint?: string };
}

export interface Evaluation {
  loss?: number;
  numerator: number;
  denominator: number;
  z_loss: number;
  mean_nll: number;
  rows: { total: number; counted: number; ignored: number; masked: number };
  metrics: Record<string, number>;
  diagnostics: Diagnostics;
  kernel: string;
}

/** RFC 9457, with the members that this service adds. */
export interface Problem {
  title?: string;
  status: number;
  detail?: string;
  code?: string;
  errors?: { pointer: string; detail: string }[];
  diagnostics?: Diagnostics;
}
