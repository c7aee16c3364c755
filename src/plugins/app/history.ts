import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { Config } from '../../config.ts';
import { Admission } from '../../pipeline/admission/admission.ts';
import type { Place } from '../../pipeline/admission/admission.ts';
import type { Piece } from '../../runs/answers.ts';
import { EventStreams } from '../../runs/event-streams.ts';
import { clientOf } from '../external/limits.ts';

/** Bytes that one answer from the history holds: a page as rows, as text, and in the socket. */
const HELD_BYTES = 512 * 1024;

/** Largest answer in bytes that is sent as a whole. */
const SHORT_BYTES = 65_536;

type Hook = (request: FastifyRequest, reply: FastifyReply) => Promise<void>;

declare module 'fastify' {
  interface FastifyInstance {
    /** Hook of routes that read the history: limits the number of reads in progress. */
    readonly readsHistory: Hook;
    /** Hook of routes that stream events: limits the open streams, in total and per client. */
    readonly streamsEvents: Hook;
  }

  interface FastifyRequest {
    /** Place of a read of the history. It is left once the first pages are read. */
    historyPlace: Place | undefined;
  }

  interface FastifyReply {
    /** Sends text that is made page by page, as fast as the client reads it. Sends a short text as a whole. */
    sendPages(mediaType: string, pages: AsyncIterable<Piece> | Iterable<Piece>): Promise<FastifyReply>;
    /** Sends events as they occur. */
    sendEvents(events: AsyncGenerator<Piece, void>): Promise<FastifyReply>;
  }
}

/** Answers from the history: limits their number, accounts for their memory, and sends them. */
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
      // The first pages are read before the head is sent, so that an error can still set the status.
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

/** Reserves memory until the answer is closed. @throws LossmeterError overloaded when other requests hold the memory */
function hold(reply: FastifyReply, what: string): void {
  const account = reply.server.evaluator.openAccount();
  account.take(HELD_BYTES, what, 'LOSSMETER_MAX_BYTES_IN_FLIGHT bounds it');
  onClose(reply, () => account.close());
}

/** Calls the listener once the answer was sent or the client has left. */
function onClose({ raw }: FastifyReply, listener: () => void): void {
  if (raw.destroyed) listener();
  else raw.once('close', listener);
}

async function* iterate(pages: AsyncIterable<Piece> | Iterable<Piece>): AsyncGenerator<Piece, void> {
  yield* pages;
}

/** Body of a long answer. It is empty for HEAD, and for a client that has left. */
async function bodyOf(
  first: readonly Piece[],
  others: AsyncGenerator<Piece, void>,
  reply: FastifyReply,
): Promise<Readable> {
  if (reply.request.method !== 'HEAD' && !reply.raw.destroyed) return Readable.from(piecesOf(first, others, reply));
  // Fastify would read the whole stream of an answer to HEAD, although its place was already left.
  await others.return();
  return Readable.from([]);
}

/** Pieces of an answer. A client that does not read a piece in time is cut off, because its answer holds memory. */
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
