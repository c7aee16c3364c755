import fp from 'fastify-plugin';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { LossmeterError } from '../errors.ts';
import type { RequestBody, Timings } from '../evaluation/evaluator.ts';
import { REPLY_MEDIA_TYPES, encodeReply } from '../wire/media-types.ts';

declare module 'fastify' {
  interface FastifyReply {
    /**
     * Answers with what an evaluation makes of the request's body, in the media type that Accept asks for, and says in
     * Server-Timing how long it took.
     * @throws LossmeterError not_acceptable before anything of the body is read
     */
    answer<A extends object>(evaluate: (body: RequestBody) => Promise<{ answer: A; timings: Timings }>): Promise<A>;
  }
}

export default fp(
  async (app) => {
    app.decorateReply('answer', async function answer(this: FastifyReply, evaluate) {
      const mediaType = acceptedMediaType(this.request);
      const length = this.request.headers['content-length'];
      const { answer: reply, timings } = await evaluate({
        stream: this.request.raw,
        contentType: this.request.headers['content-type'],
        contentLength: length === undefined ? undefined : Number(length),
      });
      const serverTiming = Object.entries(timings).map(([name, ms]) => `${name};dur=${ms.toFixed(3)}`);
      // Not awaited: a reply resolves when it has been sent.
      void this.header('server-timing', serverTiming.join(', '))
        .type(mediaType)
        .send(Buffer.from(encodeReply(reply, mediaType)));
      return reply;
    });
  },
  { name: 'answers' },
);

function acceptedMediaType(request: FastifyRequest): string {
  const mediaType = request.accepts().type([...REPLY_MEDIA_TYPES]);
  if (typeof mediaType === 'string') return mediaType;
  const detail = `Accept is ${request.headers.accept}, answers can be ${REPLY_MEDIA_TYPES.join(', ')}`;
  throw new LossmeterError('not_acceptable', detail);
}
