import type { ErrorCode } from '../../errors.ts';

/** Ids of a span, in lower-case hexadecimal: the fields of log lines. */
interface SpanIds {
  readonly trace_id: string;
  readonly span_id: string;
}

/** The span of a request. */
export interface RequestTrace {
  readonly ids: SpanIds;
  /** The ids as an exemplar of metrics; undefined where the span is not recorded. */
  readonly exemplar: SpanIds | undefined;
  /** Notes the code of the problem that the request is answered with. */
  refused: (code: ErrorCode, status: number) => void;
}
