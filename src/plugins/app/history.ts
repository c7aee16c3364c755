import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { Config } from '../../config.ts';
import { Admission } from '../../pipeline/admission/admission.ts';
import type { Place } from '../../pipeline/admission/admission.ts';
import type { Piece } from '../../runs/answers.ts';
import { EventStreams } from '../../runs/event-streams.ts';
import { clientOf } from '../external/limits.ts';

/** Bytes that one answer from the history holds at a time: a page as rows, as text, and in the socket. */
const HELD_BYTES = 512 * 1024;

/** Bytes up to which an answer is sent as a whole. */
const SHORT_BYTES = 65_536;

type Hook = (request: FastifyRequest, reply: FastifyReply) => Promise<void>;

declare module 'fastify' {
  interface FastifyInstance {
    /** Hook of routes that read the history: lets a bounded number of reads begin. */
    readonly readsHistory: Hook;
    /** Hook of routes that stream events: bounds the open streams, in all and of each client. */
    readonly streamsEvents: Hook;
  }

  interface FastifyRequest {
    /** Place of a read of the history: left when its first page is read. */
    historyPlace: Place | undefined;
  }

  interface FastifyReply {
    /** Sends text that is made page by page, as fast as the client reads it; at once when it is short. */
    sendPages(mediaType: string, pages: AsyncIterable<Piece> | Iterable<Piece>): Promise<FastifyReply>;
    /** Sends events as they come. */
    sendEvents(events: AsyncGenerator<Piece, void>): Promise<FastifyReply>;
  }
}

/** Answers from the history: how many at a time, the memory that they hold, and how they are sent. */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    const limits = {
      maxRequestsInFlight: config.maxHistoryReads,
      maxQueuedRequests: config.maxQueuedHistoryReads,
      minBytesPerSecond: config.minBytesPerSecond,
      stallSeconds: config.stallSeconds,
    };
    const admission = new Admission(limits, undefined, 'reads of the history');
    const streams = new EventStreams(config);
    app.decorateRequest('historyPlace', undefined);

    app.decorate('readsHistory', async (request, reply) => {
      const place = await admission.enter(() => reply.raw.destroyed);
      request.historyPlace = place;
      onClose(reply, () => place.leave());
      hold(reply, 'a page of the history');
    });

    app.decorate('streamsEvents', async (request, reply) => {
      onClose(reply, streams.enter(clientOf(request)));
      hold(reply, 'a page of events');
    });

    app.decorateReply('sendPages', async function sendPages(this: FastifyReply, mediaType, pages) {
      // The first pages come before the head: an error has a status of its own until then.
      const iterator = iterate(pages);
      const first: Uint8Array[] = [];
      let length = 0;
      let isDone = false;
      while (!isDone && length < SHORT_BYTES && !this.raw.destroyed) {
        const { value, done } = await iterator.next();
        isDone = done === true;
        if (value === undefined) continue;
        first.push(Buffer.from(value));
        length += value.length;
      }
      this.request.historyPlace?.leave();
      this.type(mediaType);
      if (isDone) return this.send(Buffer.concat(first));
      return this.send(await bodyOf(first, iterator, this));
    });

    app.decorateReply('sendEvents', async function sendEvents(this: FastifyReply, events) {
      this.type('text/event-stream');
      return this.send(await bodyOf([], events, this));
    });
  },
  { name: 'history', dependencies: ['runs', 'evaluator', 'auth'] },
);

/** @throws LossmeterError overloaded when other requests hold the memory */
function hold(reply: FastifyReply, what: string): void {
  const account = reply.server.evaluator.openAccount();
  account.take(HELD_BYTES, what, 'LOSSMETER_MAX_BYTES_IN_FLIGHT bounds it');
  onClose(reply, () => account.close());
}

/** Runs when the answer is sent, or the client has left. */
function onClose({ raw }: FastifyReply, listener: () => void): void {
  if (raw.destroyed) listener();
  else raw.once('close', listener);
}

async function* iterate(pages: AsyncIterable<Piece> | Iterable<Piece>): AsyncGenerator<Piece, void> {
  yield* pages;
}

/** Body of a long answer: none for HEAD, and for a client that has left. */
async function bodyOf(
  first: readonly Piece[],
  others: AsyncGenerator<Piece, void>,
  reply: FastifyReply,
): Promise<Readable> {
  if (reply.request.method !== 'HEAD' && !reply.raw.destroyed) return Readable.from(piecesOf(first, others, reply));
  // Fastify reads the stream of an answer to HEAD to its end, without a place and without an account.
  await others.return();
  return Readable.from([]);
}

/** Pieces of an answer. A client that leaves one unread for too long is cut off: it holds memory meanwhile. */
async function* piecesOf(
  first: readonly Piece[],
  others: AsyncGenerator<Piece, void>,
  reply: FastifyReply,
): AsyncGenerator<Piece, void> {
  const { stallSeconds, minBytesPerSecond } = reply.server.config;
  let timer: NodeJS.Timeout | undefined;
  const cutOff = (): void => {
    reply.log.info('the client does not receive its answer and is cut off');
    reply.raw.destroy();
  };
  const give = function* give(piece: Piece): Generator<Piece> {
    timer = setTimeout(cutOff, 1000 * (stallSeconds + piece.length / Math.max(1, minBytesPerSecond))).unref();
    yield piece;
    clearTimeout(timer);
  };
  try {
    for (const piece of first) yield* give(piece);
    for await (const piece of others) {
      if (reply.raw.destroyed) return;
      yield* give(piece);
    }
  } finally {
    clearTimeout(timer);
    await others.return();
  }
}
