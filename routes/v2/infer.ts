import type { FastifyInstance } from 'fastify';
import { logGradientCheck } from '../../src/batch/report.ts';
import { CROSS_ENTROPY_CALL, KL_DIVERGENCE_CALL } from '../../src/contract/inference-call.ts';
import type { CallSchemas } from '../../src/contract/inference-call.ts';
import { inferenceErrors } from '../../src/contract/open-inference.ts';
import { CROSS_ENTROPY } from '../../src/evaluations/cross-entropy/cross-entropy.ts';
import { KL_DIVERGENCE } from '../../src/evaluations/kl-divergence/kl-divergence.ts';
import { CROSS_ENTROPY_MODEL } from '../../src/inference/cross-entropy.ts';
import { KL_DIVERGENCE_MODEL } from '../../src/inference/kl-divergence.ts';
import { pathsOf } from '../../src/inference/models.ts';
import type { ModelName } from '../../src/inference/models.ts';

const contentOf = (json: object, bytes: object) => ({
  'application/json': { schema: json },
  'application/octet-stream': { schema: bytes },
});

const FORM =
  'in the Open Inference Protocol of KServe and Triton. The Content-Type is ignored. Tensors may follow the JSON as bytes, little-endian and row-major, in the order in which the JSON lists them. If they do, the header `Inference-Header-Content-Length` is required: the length of the JSON, in bytes, after decompression. The last of these tensors is evaluated as it arrives, in bounded memory, if it is `logits`, or `reference` in a comparison. The response has the same form. It is compressed if `Accept-Encoding` accepts gzip or deflate.';

export default async function infer(app: FastifyInstance): Promise<void> {
  // The body is a stream: its schema documents it, and the codec checks it.
  const options = { config: { scope: 'evaluate' }, validatorCompiler: () => () => true } as const;

  const schemasOf = (
    name: ModelName,
    { request, body, response }: CallSchemas,
    texts: { summary: string; description: string },
  ) =>
    pathsOf(name).map(({ path, suffix }) => ({
      path: `${path}/infer`,
      schema: {
        tags: ['open inference'],
        operationId: `infer${suffix}`,
        ...texts,
        body: { description: 'The batch.', content: contentOf(request, body) },
        response: {
          200: { description: 'The evaluated batch.', content: contentOf(response, response) },
          ...inferenceErrors(400, 408, 413, 415, 422, 429, 500, 501, 503),
        },
      },
    }));

  const loss = { summary: 'Evaluate one batch', description: `The evaluation of \`/v1/cross-entropy\`, ${FORM}` };
  for (const { path, schema } of schemasOf('cross_entropy', CROSS_ENTROPY_CALL, loss)) {
    app.post(path, { ...options, schema }, async (request, reply) => {
      const answer = await reply.answerInference(CROSS_ENTROPY_MODEL, (body) =>
        app.evaluator.evaluate(CROSS_ENTROPY, body),
      );
      logGradientCheck(answer, request.log);
      return reply;
    });
  }

  const comparison = {
    summary: 'Compare two sets of logits',
    description: `The comparison of \`/v1/kl-divergence\`, ${FORM}`,
  };
  for (const { path, schema } of schemasOf('kl_divergence', KL_DIVERGENCE_CALL, comparison)) {
    app.post(path, { ...options, schema }, async (_request, reply) => {
      await reply.answerInference(KL_DIVERGENCE_MODEL, (body) => app.evaluator.evaluate(KL_DIVERGENCE, body));
      return reply;
    });
  }
}
