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
     * Answers with what an evaluation makes of the request's body, in the media type that Accept asks for, and says in
     * Server-Timing how long it took.
     * @throws LossmeterError not_acceptable before anything of the body is read
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

/** The body of a request, as evaluations take it. */
export function requestBody({ headers, raw }: FastifyRequest, codec: Codec): RequestBody {
  const length = headers['content-length'];
  // From here on a connection on which nothing comes is not idle: it waits for others, or for an evaluation that takes
  // long. A client that is waited for is judged by its progress.
  raw.socket.setTimeout(0);
  return {
    stream: raw,
    codec,
    contentEncoding: headers['content-encoding'],
    contentLength: length === undefined ? undefined : Number(length),
    isAbandoned: () => raw.socket.destroyed,
  };
}

/** Says in Server-Timing how long it took, and gives the memory of the answer back once it has been sent. */
export function settle(reply: FastifyReply, answered: Answered<object>): void {
  const { timings, release } = answered;
  reply.server.telemetry?.evaluations.answered(answered, reply.request.trace?.exemplar);
  // A client that left meanwhile has closed already.
  if (reply.raw.destroyed) release();
  else {
    reply.raw.once('close', () => {
      // The socket or an encoder may still read the answer to a client that left.
      if (reply.raw.writableFinished) freeOutputs(answered.answer);
      release();
    });
  }
  awaitNoMore(reply);
  const serverTiming = Object.entries(timings).map(([name, ms]) => `${name};dur=${ms.toFixed(3)}`);
  reply.header('server-timing', serverTiming.join(', '));
}

/** Notes that the body was read to its end, and limits the time again that its connection may be idle. */
export function awaitNoMore(reply: FastifyReply): void {
  reply.request.isBodyRead = true;
  reply.raw.socket?.setTimeout(reply.server.server.timeout);
}

function freeOutputs({ outputs = {} }: Partial<Pick<Evaluation, 'outputs'>>): void {
  for (const { data } of Object.values(outputs)) free(data);
}

/** Bytes that are handed on at a time of an answer in parts. */
const PIECE_BYTES = 65_536;

/**
 * Sends a small part as it is, and more as a stream. The stream waits for a slow client, and is cut off for a client that
 * takes nothing.
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
  // A reply resolves when it has been sent: nothing waits for it here.
  if (all.length > 1 || bytes > PIECE_BYTES) void reply.send(Readable.from(inPieces(all, reply)));
  // A small text goes in one write with the head.
  else void reply.serializer(asItIs).send(all[0]);
}

/** Fastify would add a charset, a parameter that application/json does not define. */
const asItIs = (text: string): string => text;

/** Milliseconds in which pieces are made before others have their turn: a client may take them as fast as they come. */
const TURN_MS = 5;

/** Pieces of an answer, each asked for in its time: else the client holds an answer that it does not take. */
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
      // Text is cut as bytes: elsewhere a cut might part the two halves of a character.
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
