/** Point of a curve of the loss or of a scalar. */
export interface CurvePoint {
  step: number;
  attempt: number;
  loss: number;
  ranks: number;
  /** Least and greatest finite value over the ranks. */
  rank_losses?: { min: number; max: number };
  non_finite: boolean;
  spike: boolean;
  /** Absent when the time is unknown. */
  recorded_at?: string;
  complete?: boolean;
  causes?: string[];
  summary?: string;
}
