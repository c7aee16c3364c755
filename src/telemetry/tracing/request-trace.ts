import type { ErrorCode } from '../../errors.ts';

/** Ids of a span, in lower-case hexadecimal: the fields of log lines. */
export interface SpanIds {
  readonly trace_id: string;
  readonly span_id: string;
}

/** The span of a request. */
export interface RequestTrace {
  readonly ids: SpanIds;
  /** True where the span is recorded, and not only passed on. */
  readonly isSampled: boolean;
  /** Notes the code of the problem that the request is answered with. */
  refused: (code: ErrorCode, status: number) => void;
}
