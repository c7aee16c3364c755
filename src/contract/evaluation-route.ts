import type { TSchema } from '#typebox';
import { REPLY_MEDIA_TYPES, REQUEST_MEDIA_TYPES } from '../wire/media-types.ts';
import { answerContent, requestContent } from './content.ts';
import { problemResponses } from './problem.ts';
import { SafetensorsBatch, SafetensorsEvaluation } from './safetensors.ts';

/** A body in the manual. */
interface Body {
  readonly description: string;
  readonly schema: TSchema;
  /** Schema of the same body as a safetensors file; by default a batch in requests and an evaluation in answers. */
  readonly safetensors?: TSchema;
}

/** Operation of a kind of evaluation. */
interface EvaluationOperation {
  readonly operationId: string;
  readonly summary: string;
  readonly description: string;
  readonly request: Body;
  readonly answer: Body;
}

/** Route options for a kind of evaluation. The route accepts all formats. */
export function evaluationRoute({ request, answer, ...named }: EvaluationOperation) {
  const files = {
    request: request.safetensors ?? SafetensorsBatch,
    answer: answer.safetensors ?? SafetensorsEvaluation,
  };
  const schema = {
    tags: ['evaluation'],
    ...named,
    body: {
      description: request.description,
      content: requestContent(REQUEST_MEDIA_TYPES, request.schema, { safetensors: files.request }),
    },
    response: {
      200: {
        description: answer.description,
        content: answerContent(REPLY_MEDIA_TYPES, answer.schema, { safetensors: files.answer }),
      },
      ...problemResponses(400, 403, 406, 408, 409, 413, 415, 422, 429, 500, 503),
    },
  };
  // The body is a stream: its schema documents it, and the codecs check it.
  return { config: { scope: 'evaluate' }, schema, validatorCompiler: () => () => true } as const;
}
