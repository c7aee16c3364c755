import type { Transform } from 'node:stream';
import { constants, createDeflate, createGzip } from 'node:zlib';
import fp from 'fastify-plugin';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Answered } from '../../pipeline/answered.ts';
import type { RequestBody } from '../../pipeline/body.ts';
import { InferenceStatistics } from '../../inference/statistics.ts';
import { MODEL, NAMES, outputsOf, parametersOf } from '../../inference/model.ts';
import type { Evaluation } from '../../contract/cross-entropy.ts';
import { JSON_LENGTH_HEADER, OpenInferenceCodec, announcedJsonBytes } from '../../wire/open-inference/codec.ts';
import { encodeInference } from '../../wire/open-inference/reply.ts';
import { requestBody, sendParts, settle } from './answers.ts';

declare module 'fastify' {
  interface FastifyInstance {
    readonly inferenceStatistics: InferenceStatistics;
  }

  interface FastifyReply {
    /** Evaluates the request's body, and answers in the Open Inference Protocol. */
    answerInference(
      evaluate: (body: RequestBody) => Answered<Evaluation> | Promise<Answered<Evaluation>>,
    ): Promise<Evaluation>;
  }
}

/** Floating point hardly gets smaller, so only what costs little is tried. */
const LEVEL = { level: constants.Z_BEST_SPEED };

/** Content encodings that tritonclient can ask for. */
const ENCODERS: Readonly<Record<string, () => Transform>> = {
  gzip: () => createGzip(LEVEL),
  deflate: () => createDeflate(LEVEL),
};

/** Calls of the model by the Open Inference Protocol, counted and timed. */
export default fp(
  async (app) => {
    const statistics = new InferenceStatistics();
    app.decorate('inferenceStatistics', statistics);

    app.decorateReply('answerInference', async function answerInference(this: FastifyReply, evaluate) {
      const started = performance.now();
      try {
        const answered = await evaluateInference(this, evaluate);
        statistics.succeeded(performance.now() - started, answered.timings);
        return answered.answer;
      } catch (error) {
        statistics.failed(performance.now() - started);
        throw error;
      }
    });
  },
  { name: 'inferences', dependencies: ['answers'] },
);

async function evaluateInference(
  reply: FastifyReply,
  evaluate: (body: RequestBody) => Answered<Evaluation> | Promise<Answered<Evaluation>>,
): Promise<Answered<Evaluation>> {
  const jsonBytes = announcedJsonBytes(reply.request.headers[JSON_LENGTH_HEADER]);
  const codec = new OpenInferenceCodec({ jsonBytes, names: NAMES });
  const answered = await evaluate(requestBody(reply.request, codec));
  settle(reply, answered);
  const encoded = await encodeInference({
    modelName: MODEL.name,
    modelVersion: MODEL.version,
    id: codec.request.id,
    parameters: parametersOf(answered.answer),
    outputs: outputsOf(codec.request, answered.answer),
  });
  reply.header('vary', 'accept-encoding');
  if (encoded.jsonBytes === undefined) reply.type('application/json');
  else reply.type('application/octet-stream').header(JSON_LENGTH_HEADER, encoded.jsonBytes);
  const encoding = acceptedEncoding(reply.request);
  if (encoding !== undefined) reply.header('content-encoding', encoding);
  sendParts(reply, encoded.parts, encoding === undefined ? undefined : ENCODERS[encoding]!());
  return answered;
}

/**
 * Only calls are compressed: tritonclient decodes neither errors nor what it reads to inspect a model, though its
 * asyncio client accepts gzip everywhere.
 */
function acceptedEncoding(request: FastifyRequest): string | undefined {
  const encoding = request.accepts().encoding([...Object.keys(ENCODERS), 'identity']);
  return typeof encoding === 'string' && Object.hasOwn(ENCODERS, encoding) ? encoding : undefined;
}
