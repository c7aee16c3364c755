import { Readable, pipeline } from 'node:stream';
import type { Transform } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import fp from 'fastify-plugin';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Answered } from '../../pipeline/answered.ts';
import type { RequestBody } from '../../pipeline/body.ts';
import { encodeReply } from '../../wire/media-types.ts';
import type { Evaluation } from '../../contract/cross-entropy.ts';
import { free } from '../../tensor/memory.ts';
import type { ReplyParts } from '../../wire/reply.ts';
import type { Codec } from '../../wire/request.ts';
import { acceptedMediaType, bodyCodec } from './negotiation.ts';

declare module 'fastify' {
  interface FastifyReply {
    /**
     * Evaluates the request's body, and sends the result in the media type that Accept prefers, with the durations in
     * Server-Timing.
     * @throws LossmeterError not_acceptable, before the body is read
     */
    answer<A extends object>(evaluate: (body: RequestBody) => Answered<A> | Promise<Answered<A>>): Promise<A>;
  }
}

export default fp(
  async (app) => {
    app.decorateReply('answer', async function answer(this: FastifyReply, evaluate) {
      const mediaType = acceptedMediaType(this.request);
      const answered = await evaluate(requestBody(this.request, bodyCodec(this.request)));
      settle(this, answered);
      sendParts(this.type(mediaType), encodeReply(answered.answer, mediaType, answered));
      return answered.answer;
    });
  },
  { name: 'answers' },
);

/** Body of a request, in the form that evaluations accept. */
export function requestBody({ headers, raw }: FastifyRequest, codec: Codec): RequestBody {
  const length = headers['content-length'];
  // Disables the idle timeout of the connection: the request may wait for admission, or for a long evaluation. Admission checks
  // the progress of a client while the service waits for its bytes.
  raw.socket.setTimeout(0);
  return {
    stream: raw,
    codec,
    contentEncoding: headers['content-encoding'],
    contentLength: length === undefined ? undefined : Number(length),
    isAbandoned: () => raw.socket.destroyed,
  };
}

/** Sets Server-Timing, and releases the memory of the answer once it was sent. */
export function settle(reply: FastifyReply, answered: Answered<object>): void {
  const { timings, release } = answered;
  reply.server.telemetry?.evaluations.answered(answered, reply.request.trace?.exemplar);
  // If the client has left, the close event has already been emitted.
  if (reply.raw.destroyed) release();
  else {
    reply.raw.once('close', () => {
      // If the client has left, the socket or an encoder may still read the answer.
      if (reply.raw.writableFinished) freeOutputs(answered.answer);
      release();
    });
  }
  awaitNoMore(reply);
  const serverTiming = Object.entries(timings).map(([name, ms]) => `${name};dur=${ms.toFixed(3)}`);
  reply.header('server-timing', serverTiming.join(', '));
}

/** Records that the body was read to its end, and restores the idle timeout of the connection. */
export function awaitNoMore(reply: FastifyReply): void {
  reply.request.isBodyRead = true;
  reply.raw.socket?.setTimeout(reply.server.server.timeout);
}

function freeOutputs({ outputs = {} }: Partial<Pick<Evaluation, 'outputs'>>): void {
  for (const { data } of Object.values(outputs)) free(data);
}

/** Bytes of an answer that are sent at a time. */
const PIECE_BYTES = 65_536;

/**
 * Sends a single small part as a whole, and other answers as a stream. The stream waits for a slow client, and cuts off a
 * client that does not read.
 * @param encoder compresses the parts
 */
export function sendParts(reply: FastifyReply, parts: ReplyParts, encoder?: Transform): void {
  if (encoder !== undefined) {
    pipeline(Readable.from(inPieces(parts, reply)), encoder, () => undefined);
    void reply.send(encoder);
    return;
  }
  if (!Array.isArray(parts)) {
    void reply.send(Readable.from(inPieces(parts, reply)));
    return;
  }
  const all = parts as readonly (string | Uint8Array)[];
  const bytes = all.reduce((sum, part) => sum + Buffer.byteLength(part), 0);
  reply.header('content-length', bytes);
  // The promise of a reply resolves when the reply was sent. It is not awaited here.
  if (all.length > 1 || bytes > PIECE_BYTES) void reply.send(Readable.from(inPieces(all, reply)));
  // A small text is sent in one write with the head.
  else void reply.serializer(asItIs).send(all[0]);
}

/** Fastify would add a charset, a parameter that application/json does not define. */
const asItIs = (text: string): string => text;

/** Milliseconds in which pieces are made before the event loop continues. A client may read them as fast as they are made. */
const TURN_MS = 5;

/** Pieces of an answer. A client that does not read a piece in time is cut off, because its answer holds memory. */
async function* inPieces(parts: ReplyParts, reply: FastifyReply): AsyncGenerator<Uint8Array> {
  const { stallSeconds, minBytesPerSecond } = reply.server.config;
  const cutOff = (): void => {
    reply.log.info('the client does not receive its answer and is cut off');
    reply.raw.destroy();
  };
  const timer = setTimeout(cutOff, 1000 * (stallSeconds + PIECE_BYTES / Math.max(1, minBytesPerSecond))).unref();
  let endOfTurn = performance.now() + TURN_MS;
  try {
    for (const part of parts) {
      // Text is cut as bytes, because cutting a string could split a surrogate pair.
      const bytes = typeof part === 'string' ? Buffer.from(part) : part;
      for (let at = 0; at < bytes.byteLength; at += PIECE_BYTES) {
        yield bytes.subarray(at, at + PIECE_BYTES);
        timer.refresh();
        if (performance.now() < endOfTurn) continue;
        await setImmediate();
        endOfTurn = performance.now() + TURN_MS;
      }
    }
  } finally {
    clearTimeout(timer);
  }
}
