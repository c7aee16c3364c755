import type { FastifyInstance } from 'fastify';
import { DIAGNOSIS } from '../../src/evaluations/diagnosis/diagnosis.ts';
import { answerContent, requestContent } from '../../src/contract/content.ts';
import { Diagnosis, DiagnosisRequest } from '../../src/contract/diagnosis.ts';
import { problemResponses } from '../../src/contract/problem.ts';
import { SafetensorsBatch, SafetensorsEvaluation } from '../../src/contract/safetensors.ts';
import { REPLY_MEDIA_TYPES, REQUEST_MEDIA_TYPES } from '../../src/wire/media-types.ts';

const schema = {
  tags: ['evaluation'],
  operationId: 'diagnose',
  summary: 'Survey a tensor and find its non-finite values',
  description:
    'Counts, places, magnitudes, norms and hot spots of logits, or of any other floating-point tensor; no labels are needed. Read as it arrives, like `/v1/cross-entropy`.',
  body: {
    description: 'The tensor.',
    content: requestContent(REQUEST_MEDIA_TYPES, DiagnosisRequest, { safetensors: SafetensorsBatch }),
  },
  response: {
    200: {
      description: 'The survey of the tensor.',
      content: answerContent(REPLY_MEDIA_TYPES, Diagnosis, { safetensors: SafetensorsEvaluation }),
    },
    ...problemResponses(400, 403, 406, 408, 409, 413, 415, 422, 429, 500, 503),
  },
};

export default async function diagnose(app: FastifyInstance): Promise<void> {
  // The body is a stream: its schema documents it, and the codecs check it.
  const options = { schema, validatorCompiler: () => () => true, config: { scope: 'evaluate' } } as const;
  app.post('/diagnose', options, async (_request, reply) => {
    await reply.answer((body) => app.evaluator.evaluate(DIAGNOSIS, body));
    return reply;
  });
}
