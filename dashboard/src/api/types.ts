/** Answers of the API, with the types of the TypeScript client. */
import type { Evaluation as AnyEvaluation, RecordedDiagnostics } from '../../../clients/typescript/src/types.ts';

export type {
  Attempt,
  Cause,
  ComparisonDiagnostics,
  Disagreement,
  DivergentRow,
  LabelValue as Label,
  Place,
  RankDetail,
  Rerun,
  RunSummary,
  ScalarPoint,
  ScalarSummary,
  StepDetail,
  StepPoint,
  WorstRow,
} from '../../../clients/typescript/src/types.ts';

/** Diagnostics of a batch. A recorded pair of sums, and a batch without findings, have only the first three fields. */
export type Diagnostics = RecordedDiagnostics;

/** An evaluation without its tensors. */
export type Evaluation = Omit<AnyEvaluation, 'outputs'>;
