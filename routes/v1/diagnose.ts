import type { FastifyInstance } from 'fastify';
import { Diagnosis, DiagnosisRequest } from '../../src/contract/diagnosis.ts';
import { evaluationRoute } from '../../src/contract/evaluation-route.ts';
import { DIAGNOSIS } from '../../src/evaluations/diagnosis/diagnosis.ts';

const ROUTE = evaluationRoute({
  operationId: 'diagnose',
  summary: 'Survey a tensor and find its non-finite values',
  description:
    'Counts, places, magnitudes, norms and hot spots of logits, or of any other floating-point tensor; no labels are needed. The body is read as it arrives, like that of `/v1/cross-entropy`.',
  request: { description: 'The tensor.', schema: DiagnosisRequest },
  answer: { description: 'The survey of the tensor.', schema: Diagnosis },
});

export default async function diagnose(app: FastifyInstance): Promise<void> {
  app.post('/diagnose', ROUTE, async (_request, reply) => {
    await reply.answer((body) => app.evaluator.evaluate(DIAGNOSIS, body));
    return reply;
  });
}
