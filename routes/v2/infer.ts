import type { FastifyInstance } from 'fastify';
import { MODEL } from '../../src/inference/model.ts';
import { logGradientCheck } from '../../src/batch/report.ts';
import { CROSS_ENTROPY } from '../../src/evaluations/cross-entropy/cross-entropy.ts';
import {
  InferenceBody,
  InferenceRequest,
  InferenceResponse,
  inferenceErrors,
} from '../../src/contract/open-inference.ts';

const contentOf = (json: object, bytes: object) => ({
  'application/json': { schema: json },
  'application/octet-stream': { schema: bytes },
});

const schemaOf = (suffix: string) => ({
  tags: ['open inference'],
  operationId: `infer${suffix}`,
  summary: 'Evaluate one batch',
  description:
    'The evaluation of `/v1/cross-entropy`, in the protocol that KServe and Triton speak. The Content-Type does not matter. Tensors may follow the JSON as bytes, little-endian and row-major, in the order in which the JSON lists them: `Inference-Header-Content-Length` has the bytes of JSON then, without its Content-Encoding. Logits as the last of them are evaluated as they arrive, in bounded memory. The answer has the same form, and is compressed when Accept-Encoding has gzip or deflate.',
  body: { description: 'The batch.', content: contentOf(InferenceRequest, InferenceBody) },
  response: {
    200: { description: 'The evaluated batch.', content: contentOf(InferenceResponse, InferenceResponse) },
    ...inferenceErrors(400, 408, 413, 415, 422, 429, 500, 501, 503),
  },
});

export default async function infer(app: FastifyInstance): Promise<void> {
  // The body is a stream: its schema documents it, and the codec checks it.
  const options = { config: { scope: 'evaluate' }, validatorCompiler: () => () => true } as const;
  for (const [path, suffix] of [
    [`/models/${MODEL.name}/infer`, ''],
    [`/models/${MODEL.name}/versions/${MODEL.version}/infer`, 'Version'],
  ] as const) {
    app.post(path, { ...options, schema: schemaOf(suffix) }, async (request, reply) => {
      logGradientCheck(await reply.answerInference((body) => app.evaluator.evaluate(CROSS_ENTROPY, body)), request.log);
      return reply;
    });
  }
}
