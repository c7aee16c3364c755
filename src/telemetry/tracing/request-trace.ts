import type { ErrorCode } from '../../errors.ts';

/** Ids of a span, in lower-case hexadecimal: the fields of log lines. */
interface SpanIds {
  readonly trace_id: string;
  readonly span_id: string;
}

/** The span of a request. */
export interface RequestTrace {
  readonly ids: SpanIds;
  /** The ids as an exemplar of metrics; undefined when the span is not recorded. */
  readonly exemplar: SpanIds | undefined;
  /** Records the code of the problem in the answer. */
  refused: (code: ErrorCode, status: number) => void;
}
