/** A point of a curve: of the loss, or of a scalar. */
export interface CurvePoint {
  step: number;
  attempt: number;
  loss: number;
  ranks: number;
  /** The least and the greatest finite number of a rank. */
  rank_losses?: { min: number; max: number };
  non_finite: boolean;
  spike: boolean;
  /** Absent where the time is not known. */
  recorded_at?: string;
  complete?: boolean;
  causes?: string[];
  summary?: string;
}
