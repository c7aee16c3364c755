import type { IncomingMessage, ServerResponse } from 'node:http';
import fp from 'fastify-plugin';
import { ERRORS, LossmeterError } from '../../errors.ts';
import { showValue } from '../../suggestion.ts';
import { Discards } from '../../pipeline/admission/discards.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** True once the body was read to its end. */
    isBodyRead: boolean;
  }
}

/** Requests with `Expect: 100-continue` (RFC 9110) that got no 100 yet. */
const waiting = new WeakSet<IncomingMessage>();

/** Requests with an Expect that is none of HTTP. */
const expecting = new WeakSet<IncomingMessage>();

/** A media type, and parameters perhaps: RFC 9110, 8.3.1. */
const MEDIA_TYPE = /^[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+[\t ]*(?:;|$)/;

/** Stands for a Content-Type that is no media type. */
const UNKNOWN_MEDIA_TYPE = 'application/octet-stream';

/**
 * Hands request bodies on as streams, whatever their media type, and lets a service answer before a body has ended.
 *
 * A client that is refused early still sends, and ordinary clients read no answer before they have sent all. So the
 * rest is read and discarded, up to a bound; closing the connection at once would show the client a broken pipe
 * instead of the answer. A client that waits for 100 Continue gets it when the body is first read; one that is refused before
 * then sends nothing, and the body of one that is refused for its slowness is not read any more.
 */
export default fp(
  async (app) => {
    const discards = new Discards();
    app.decorateRequest('isBodyRead', false);
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));

    app.server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
      expecting.add(request);
      // Whether its body comes is not known either.
      waiting.add(request);
      app.routing(request, response);
    });
    app.addHook('onRequest', (request, _reply, done) => {
      if (!expecting.has(request.raw)) return done();
      const detail = `Expect is ${showValue(request.headers.expect)}, expected 100-continue or none`;
      done(new LossmeterError('expectation_failed', detail));
    });

    // Fastify refuses such a request before its route is asked. The header as it came stays in `request.raw`.
    app.addHook('onRequest', (request, _reply, done) => {
      const contentType = request.raw.headers['content-type'];
      if (contentType !== undefined && !MEDIA_TYPE.test(contentType)) {
        request.headers = { 'content-type': UNKNOWN_MEDIA_TYPE };
      }
      done();
    });

    app.server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
      waiting.add(request);
      request.once('resume', () => {
        // A refusal may have been sent without a word to the hook below; Node then reads on by itself.
        if (waiting.delete(request) && !response.headersSent && !response.destroyed) response.writeContinue();
      });
      app.routing(request, response);
    });

    app.addHook('onSend', async (request, reply) => {
      // Nothing is left to discard, though Node.js says so only after the answer to a small body.
      if (request.isBodyRead) return;
      const { raw } = request;
      // The client may or may not send the body that was not asked for: nobody can know where the next request begins.
      if (waiting.delete(raw)) reply.header('connection', 'close');
      const hasBody = raw.headers['content-length'] !== undefined || raw.headers['transfer-encoding'] !== undefined;
      if (!hasBody || raw.complete || raw.destroyed) return;
      raw.on('error', (error) => request.log.info({ err: error }, 'the client left'));
      if (reply.statusCode === ERRORS.client_too_slow.status) reply.header('connection', 'close');
      else discards.add(raw);
    });
  },
  { name: 'raw-bodies' },
);
