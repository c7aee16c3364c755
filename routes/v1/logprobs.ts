import type { FastifyInstance } from 'fastify';
import { evaluationRoute } from '../../src/contract/evaluation-route.ts';
import { LogprobComparison, LogprobRequest } from '../../src/contract/logprobs.ts';
import { SafetensorsLogprobComparison, SafetensorsLogprobs } from '../../src/contract/safetensors.ts';
import { LOGPROB_COMPARISON } from '../../src/evaluations/logprobs/logprobs.ts';

const ROUTE = evaluationRoute({
  operationId: 'compareLogprobs',
  summary: 'Compare the log-probabilities that two sides assign to the same tokens',
  description:
    'Estimators of the divergence between a sampler and a trainer from the log-probabilities that both gave for the sampled tokens: k1, k3, χ² of tokens and sequences, effective sample size, perplexities, the worst tokens, and a hint if `old` was probably renormalised over a truncated support. Sums are exact: the order of the tokens within a sequence does not change them.',
  request: { description: 'The log-probabilities.', schema: LogprobRequest, safetensors: SafetensorsLogprobs },
  answer: { description: 'The comparison.', schema: LogprobComparison, safetensors: SafetensorsLogprobComparison },
});

export default async function logprobs(app: FastifyInstance): Promise<void> {
  app.post('/logprobs/compare', ROUTE, async (_request, reply) => {
    await reply.answer((body) => app.evaluator.evaluate(LOGPROB_COMPARISON, body));
    return reply;
  });
}
