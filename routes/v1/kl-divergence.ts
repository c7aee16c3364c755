import type { FastifyInstance } from 'fastify';
import { evaluationRoute } from '../../src/contract/evaluation-route.ts';
import { Comparison, ComparisonRequest } from '../../src/contract/kl-divergence.ts';
import { SafetensorsComparison, SafetensorsPair } from '../../src/contract/safetensors.ts';
import { KL_DIVERGENCE } from '../../src/evaluations/kl-divergence/kl-divergence.ts';

const ROUTE = evaluationRoute({
  operationId: 'compareLogits',
  summary: 'Compare two sets of logits',
  description:
    'KL divergence, agreement and perplexity of `logits` against a `reference`: forward, reverse and Jensen–Shannon. The reference is a set of logits, the top K of a teacher, or a llama.cpp logit file. The relative error of a divergence above 1e-9 nats is at most 2e-6; equal rows have the divergence 0. Sums over a part of the classes (`reference_floor`, `tail: "drop"`, llama.cpp files) have terms of both signs. Their absolute error is about 3e-7 nats for divergences up to 2 nats, and a few 1e-6 nats for larger ones. Of the two tensors, the last in the body is read as it arrives. The first is buffered in bounded memory, unless it names a file. The statistics of several batches cannot be merged. To merge batches, request rows with `outputs: ["kl_divergence", …]`.',
  request: { description: 'The two sets of logits.', schema: ComparisonRequest, safetensors: SafetensorsPair },
  answer: { description: 'The comparison.', schema: Comparison, safetensors: SafetensorsComparison },
});

export default async function klDivergence(app: FastifyInstance): Promise<void> {
  app.post('/kl-divergence', ROUTE, async (_request, reply) => {
    await reply.answer((body) => app.evaluator.evaluate(KL_DIVERGENCE, body));
    return reply;
  });
}
