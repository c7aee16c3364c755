import type { FastifyInstance } from 'fastify';
import { logGradientCheck } from '../../src/batch/report.ts';
import { VOCABULARY_SHARD } from '../../src/evaluations/vocabulary/shard.ts';
import { answerContent, requestContent } from '../../src/contract/content.ts';
import { Evaluation } from '../../src/contract/cross-entropy.ts';
import { evaluationRoute } from '../../src/contract/evaluation-route.ts';
import { CombineRequest, VocabularyPartial, PartialRequest } from '../../src/contract/partials.ts';
import { problemResponses } from '../../src/contract/problem.ts';
import { SafetensorsEvaluation, SafetensorsPartial, SafetensorsShard } from '../../src/contract/safetensors.ts';
import { REPLY_MEDIA_TYPES, VALUE_MEDIA_TYPES } from '../../src/wire/media-types.ts';

const PARTIAL_ROUTE = evaluationRoute({
  operationId: 'evaluatePartial',
  summary: 'Evaluate one shard of the vocabulary',
  description:
    'A rank of a vocabulary-parallel trainer posts its columns of the logits. The first column is the class `vocab_start`. Class indices are indices in the whole vocabulary. The answer is one opaque, versioned object of about 60 bytes a row in MessagePack, and 110 in JSON. Post the objects of all ranks to `/v1/cross-entropy/combine`: no rank has to gather the logits. Two kinds of results are rejected. `gradient`, `target_rank`, `entropy`, `top5_accuracy`, `mean_entropy`, `ece`, and the norm of the gradient with `softcap` or class probabilities, would require a second exchange between the ranks. `sequences`, `sequence_perplexity`, `bits_per_byte`, `byte_perplexity` and `word_perplexity` need the sequences and texts, which a partial does not hold.',
  request: { description: 'The shard.', schema: PartialRequest, safetensors: SafetensorsShard },
  answer: { description: 'The partial.', schema: VocabularyPartial, safetensors: SafetensorsPartial },
});

const combineSchema = {
  tags: ['evaluation'],
  operationId: 'combinePartials',
  summary: 'Merge the shards of a vocabulary',
  description:
    'Merges the partials of all shards, in any order, and answers like `/v1/cross-entropy`. Partials are rejected when they have different rows or options, overlap, or leave classes out. lse differs from that of whole rows by less than one unit in the last place of float32.',
  body: { description: 'The partials.', content: requestContent(VALUE_MEDIA_TYPES, CombineRequest) },
  response: {
    200: {
      description: 'The evaluated batch.',
      content: answerContent(REPLY_MEDIA_TYPES, Evaluation, { safetensors: SafetensorsEvaluation }),
    },
    ...problemResponses(400, 406, 408, 413, 415, 422, 429, 500, 503),
  },
};

export default async function partials(app: FastifyInstance): Promise<void> {
  app.post('/cross-entropy/partials', PARTIAL_ROUTE, async (_request, reply) => {
    await reply.answer((body) => app.evaluator.evaluate(VOCABULARY_SHARD, body));
    return reply;
  });
  app.post('/cross-entropy/combine', { ...PARTIAL_ROUTE, schema: combineSchema }, async (request, reply) => {
    logGradientCheck(await reply.answer((body) => app.evaluator.combine(body)), request.log);
    return reply;
  });
}
