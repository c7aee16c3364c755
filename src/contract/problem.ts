import { Type } from '#typebox';
import type { Static } from '#typebox';
import { ERRORS, LossmeterError } from '../errors.ts';
import { Diagnostics } from './diagnostics.ts';
import { ComparisonDiagnostics } from './kl-divergence.ts';
import { INSTANCE } from './refusal-examples.ts';
import { codesOf, refusalResponses } from './refusal.ts';
import type { RefusalForm } from './refusal.ts';

/** Id of the trace of a request that failed. */
export const TraceId = Type.String({
  pattern: '^[0-9a-f]{32}$',
  description: 'Id of the trace of this request, as W3C Trace Context writes it; absent without tracing.',
  examples: ['4bf92f3577b34da6a3ce929d0e0e4736'],
});

/** RFC 9457 problem details. */
const Problem = Type.Object(
  {
    type: Type.String({
      format: 'uri',
      description: 'URN of the kind of problem.',
      examples: ['urn:lossmeter:problem:invalid_label'],
    }),
    title: Type.String({ description: 'Title of the kind of problem.', examples: ['A label is not a class'] }),
    status: Type.Integer({ minimum: 400, maximum: 599, description: 'The HTTP status.', examples: [422] }),
    detail: Type.String({
      description: 'The received value, the expected value, and the place.',
      examples: ['label[3] is 50257, expected a class in [0, 50257)'],
    }),
    instance: Type.String({
      format: 'uri',
      description: 'URN of this request; its log lines have it as `reqId`.',
      examples: [INSTANCE],
    }),
    trace_id: Type.Optional(TraceId),
    code: Type.Enum(Object.keys(ERRORS), {
      description: 'The kind of problem, for programs: see docs/errors.md.',
      examples: ['invalid_label'],
    }),
    errors: Type.Optional(
      Type.Array(
        Type.Object(
          {
            pointer: Type.String({ description: 'RFC 6901 pointer into the request.', examples: ['/label/data/3'] }),
            detail: Type.String({
              description: 'Description of the fault at this place.',
              examples: ['label[3] is 50257, expected a class in [0, 50257)'],
            }),
          },
          { title: 'InvalidPlace', additionalProperties: false, description: 'An invalid place of the request.' },
        ),
        {
          description: 'The invalid places of the request.',
          examples: [[{ pointer: '/label/data/3', detail: 'label[3] is 50257, expected a class in [0, 50257)' }]],
        },
      ),
    ),
    diagnostics: Type.Optional(
      Type.Union([Diagnostics, ComparisonDiagnostics], {
        title: 'RejectedDiagnostics',
        description: 'Diagnostics of the evaluation or comparison. Present when the code is `non_finite_loss`.',
        examples: [
          {
            verdict: 'non_finite',
            summary: 'NaN in 1 of 2 rows; first at row 0, class 1 (not the label) of the logits',
            causes: [],
            logits: {
              counts: { nan: 1, pos_inf: 0, neg_inf: 0, bad_rows: 1 },
              locations: [],
              masked_rows_non_finite: 0,
            },
            nan_rows: 1,
            truncated: false,
          },
        ],
      }),
    ),
  },
  { title: 'Problem', additionalProperties: false, description: 'An error, as RFC 9457 problem details.' },
);

export const PROBLEM_MEDIA_TYPE = 'application/problem+json';

/** A problem with its `instance`, the URN of the request, and the id of its trace, if there is one. */
export function problemOf(
  { code, status, title, message: detail, places, extensions }: LossmeterError,
  instance: string,
  traceId?: string,
): Static<typeof Problem> {
  return {
    type: `urn:lossmeter:problem:${code}`,
    title,
    status,
    detail,
    instance,
    ...(traceId === undefined ? {} : { trace_id: traceId }),
    code,
    ...(places.length === 0 ? {} : { errors: [...places] }),
    ...extensions,
  };
}

/** Form of errors as RFC 9457 problem details. */
export const PROBLEM_FORM: RefusalForm = {
  name: 'Problem',
  mediaType: PROBLEM_MEDIA_TYPE,
  schema: Problem,
  show: ({ code, detail, pointer }) => {
    const places = pointer === undefined ? [] : [{ pointer, detail }];
    return problemOf(new LossmeterError(code, detail, places), INSTANCE);
  },
};

/** Error responses of the given statuses as problem details. */
export function problemResponses(...statuses: number[]): Record<number, object> {
  return refusalResponses(codesOf(statuses), PROBLEM_FORM);
}
