import { Readable } from 'node:stream';
import fp from 'fastify-plugin';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { LossmeterError } from '../errors.ts';
import type { Answered, RequestBody } from '../evaluation/evaluator.ts';
import { REPLY_MEDIA_TYPES, codecFor, encodeReply } from '../wire/media-types.ts';
import type { ReplyParts } from '../wire/reply.ts';

declare module 'fastify' {
  interface FastifyReply {
    /**
     * Answers with what an evaluation makes of the request's body, in the media type that Accept asks for, and says in
     * Server-Timing how long it took.
     * @throws LossmeterError not_acceptable before anything of the body is read
     */
    answer<A extends object>(evaluate: (body: RequestBody) => Promise<Answered<A>>): Promise<A>;
  }
}

export default fp(
  async (app) => {
    app.decorateReply('answer', async function answer(this: FastifyReply, evaluate) {
      const mediaType = acceptedMediaType(this.request);
      const { headers, raw } = this.request;
      const length = headers['content-length'];
      const {
        answer: reply,
        timings,
        release,
      } = await evaluate({
        stream: raw,
        codec: codecFor(headers['content-type']),
        contentEncoding: headers['content-encoding'],
        contentLength: length === undefined ? undefined : Number(length),
      });
      this.raw.once('close', release);
      const serverTiming = Object.entries(timings).map(([name, ms]) => `${name};dur=${ms.toFixed(3)}`);
      this.header('server-timing', serverTiming.join(', ')).type(mediaType);
      sendParts(this, encodeReply(reply, mediaType));
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

/** One part as it is; several as a stream, which waits where the client does not keep up. */
function sendParts(reply: FastifyReply, parts: ReplyParts): void {
  if (Array.isArray(parts)) {
    const lengths = (parts as readonly Uint8Array[]).map(({ byteLength }) => byteLength);
    reply.header(
      'content-length',
      lengths.reduce((sum, length) => sum + length, 0),
    );
  }
  // Not awaited: a reply resolves when it has been sent.
  void reply.send(Array.isArray(parts) && parts.length === 1 ? parts[0] : Readable.from(parts));
}
