import type { FastifyInstance } from 'fastify';
import { LossmeterError } from '../../src/errors.ts';
import { CrossEntropyReply, CrossEntropyRequest } from '../../src/schemas/cross-entropy.ts';
import { problemResponses } from '../../src/schemas/problem.ts';
import { REPLY_MEDIA_TYPES, REQUEST_MEDIA_TYPES, encodeReply } from '../../src/wire/media-types.ts';

const contentOf = (mediaTypes: readonly string[], schema: object): Record<string, { schema: object }> =>
  Object.fromEntries(mediaTypes.map((type) => [type, { schema }]));

const schema = {
  tags: ['evaluation'],
  operationId: 'evaluateCrossEntropy',
  summary: 'Evaluate one batch',
  description:
    'Cross-entropy of a batch of logits, reduced to a loss, with the places of whatever is not finite. The body is read as it arrives: logits of any size take bounded memory when label, input_mask and options precede them. `Server-Timing` has the milliseconds of `ingest`, `compute` (added over workers) and `reduce`.',
  body: { description: 'The batch.', content: contentOf(REQUEST_MEDIA_TYPES, CrossEntropyRequest) },
  response: {
    200: { description: 'The evaluated batch.', content: contentOf(REPLY_MEDIA_TYPES, CrossEntropyReply) },
    ...problemResponses(400, 406, 413, 415, 422, 500, 503),
  },
};

export default async function crossEntropy(app: FastifyInstance): Promise<void> {
  // The body is a stream: its schema documents it, and the codecs check it.
  app.post('/cross-entropy', { schema, validatorCompiler: () => () => true }, async (request, reply) => {
    const mediaType = request.accepts().type([...REPLY_MEDIA_TYPES]);
    if (typeof mediaType !== 'string') {
      const detail = `Accept is ${request.headers.accept}, answers can be ${REPLY_MEDIA_TYPES.join(', ')}`;
      throw new LossmeterError('not_acceptable', detail);
    }
    const length = request.headers['content-length'];
    const { evaluation, timings } = await app.evaluator.evaluate({
      stream: request.raw,
      contentType: request.headers['content-type'],
      contentLength: length === undefined ? undefined : Number(length),
    });
    const serverTiming = Object.entries(timings).map(([name, ms]) => `${name};dur=${ms.toFixed(3)}`);
    return reply
      .header('server-timing', serverTiming.join(', '))
      .type(mediaType)
      .send(Buffer.from(encodeReply(evaluation, mediaType)));
  });
}
