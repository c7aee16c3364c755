import type { FastifyInstance } from 'fastify';
import { logGradientCheck } from '../../src/batch/report.ts';
import { CrossEntropyRequest, Evaluation } from '../../src/contract/cross-entropy.ts';
import { evaluationRoute } from '../../src/contract/evaluation-route.ts';
import { CROSS_ENTROPY } from '../../src/evaluations/cross-entropy/cross-entropy.ts';

const ROUTE = evaluationRoute({
  operationId: 'evaluateCrossEntropy',
  summary: 'Evaluate one batch',
  description:
    'Cross-entropy of a batch of logits, reduced to a loss, with the places of non-finite values. The body is read as it arrives: logits of any size take bounded memory when label, input_mask and options precede them. `Server-Timing` has the milliseconds of `ingest`, `compute` (summed over workers) and `reduce`.',
  request: { description: 'The batch.', schema: CrossEntropyRequest },
  answer: { description: 'The evaluated batch.', schema: Evaluation },
});

export default async function crossEntropy(app: FastifyInstance): Promise<void> {
  app.post('/cross-entropy', ROUTE, async (request, reply) => {
    logGradientCheck(await reply.answer((body) => app.evaluator.evaluate(CROSS_ENTROPY, body)), request.log);
    return reply;
  });
}
