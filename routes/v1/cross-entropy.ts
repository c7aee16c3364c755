import type { FastifyInstance } from 'fastify';
import { Evaluation, CrossEntropyRequest } from '../../src/contract/cross-entropy.ts';
import { logGradientCheck } from '../../src/batch/report.ts';
import { CROSS_ENTROPY } from '../../src/evaluations/cross-entropy/cross-entropy.ts';
import { answerContent, requestContent } from '../../src/contract/content.ts';
import { problemResponses } from '../../src/contract/problem.ts';
import { SafetensorsBatch, SafetensorsEvaluation } from '../../src/contract/safetensors.ts';
import { REPLY_MEDIA_TYPES, REQUEST_MEDIA_TYPES } from '../../src/wire/media-types.ts';

const schema = {
  tags: ['evaluation'],
  operationId: 'evaluateCrossEntropy',
  summary: 'Evaluate one batch',
  description:
    'Cross-entropy of a batch of logits, reduced to a loss, with the places of non-finite values. The body is read as it arrives: logits of any size take bounded memory when label, input_mask and options precede them. `Server-Timing` has the milliseconds of `ingest`, `compute` (summed over workers) and `reduce`.',
  body: {
    description: 'The batch.',
    content: requestContent(REQUEST_MEDIA_TYPES, CrossEntropyRequest, { safetensors: SafetensorsBatch }),
  },
  response: {
    200: {
      description: 'The evaluated batch.',
      content: answerContent(REPLY_MEDIA_TYPES, Evaluation, { safetensors: SafetensorsEvaluation }),
    },
    ...problemResponses(400, 403, 406, 408, 409, 413, 415, 422, 429, 500, 503),
  },
};

export default async function crossEntropy(app: FastifyInstance): Promise<void> {
  // The body is a stream: its schema documents it, and the codecs check it.
  const options = { config: { scope: 'evaluate' }, schema, validatorCompiler: () => () => true } as const;
  app.post('/cross-entropy', options, async (request, reply) => {
    logGradientCheck(await reply.answer((body) => app.evaluator.evaluate(CROSS_ENTROPY, body)), request.log);
    return reply;
  });
}
