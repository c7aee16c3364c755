import type { Transform } from 'node:stream';
import { constants, createDeflate, createGzip } from 'node:zlib';
import fp from 'fastify-plugin';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Answered } from '../../pipeline/answered.ts';
import type { RequestBody } from '../../pipeline/body.ts';
import { InferenceStatistics } from '../../inference/statistics.ts';
import { outputsOf } from '../../inference/model.ts';
import type { Model, WithOutputs } from '../../inference/model.ts';
import { MODELS } from '../../inference/models.ts';
import { JSON_LENGTH_HEADER, OpenInferenceCodec, announcedJsonBytes } from '../../wire/open-inference/codec.ts';
import { encodeInference } from '../../wire/open-inference/reply.ts';
import { requestBody, sendParts, settle } from './answers.ts';

type Evaluate<A> = (body: RequestBody) => Answered<A> | Promise<Answered<A>>;

declare module 'fastify' {
  interface FastifyInstance {
    /** Statistics by name of the model. */
    readonly inferenceStatistics: ReadonlyMap<string, InferenceStatistics>;
  }

  interface FastifyReply {
    /** Evaluates the request's body, and answers in the Open Inference Protocol. */
    answerInference<A extends WithOutputs>(model: Model<A>, evaluate: Evaluate<A>): Promise<A>;
  }
}

/** Fastest level, because floating-point data hardly compresses. */
const LEVEL = { level: constants.Z_BEST_SPEED };

/** Content encodings that tritonclient can request. */
const ENCODERS: Readonly<Record<string, () => Transform>> = {
  gzip: () => createGzip(LEVEL),
  deflate: () => createDeflate(LEVEL),
};

/** Answers calls of models in the Open Inference Protocol, and counts and times them. */
export default fp(
  async (app) => {
    const byName = new Map<string, InferenceStatistics>(MODELS.map(({ name }) => [name, new InferenceStatistics()]));
    app.decorate('inferenceStatistics', byName);

    app.decorateReply('answerInference', async function answerInference(this: FastifyReply, model, evaluate) {
      const statistics = byName.get(model.name)!;
      const started = performance.now();
      try {
        const answered = await evaluateInference(this, model, evaluate);
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

async function evaluateInference<A extends WithOutputs>(
  reply: FastifyReply,
  model: Model<A>,
  evaluate: Evaluate<A>,
): Promise<Answered<A>> {
  const jsonBytes = announcedJsonBytes(reply.request.headers[JSON_LENGTH_HEADER]);
  const codec = new OpenInferenceCodec({ jsonBytes, names: model.names });
  const answered = await evaluate(requestBody(reply.request, codec));
  settle(reply, answered);
  const encoded = await encodeInference({
    modelName: model.name,
    modelVersion: model.version,
    id: codec.request.id,
    parameters: model.parametersOf(answered.answer),
    outputs: outputsOf(model, codec.request, answered.answer),
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
 * Returns the content encoding of an answer. Only calls of models are compressed: tritonclient decodes neither errors nor
 * model metadata, although its asyncio client accepts gzip everywhere.
 */
function acceptedEncoding(request: FastifyRequest): string | undefined {
  const encoding = request.accepts().encoding([...Object.keys(ENCODERS), 'identity']);
  return typeof encoding === 'string' && Object.hasOwn(ENCODERS, encoding) ? encoding : undefined;
}
