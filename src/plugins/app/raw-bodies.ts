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

/** Requests with `Expect` (RFC 9110) that were not answered with 100 Continue. */
const waiting = new WeakSet<IncomingMessage>();

/** Requests with an unknown Expect. */
const expecting = new WeakSet<IncomingMessage>();

/** Media type with optional parameters (RFC 9110, 8.3.1). */
const MEDIA_TYPE = /^[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+[\t ]*(?:;|$)/;

/** Replaces a Content-Type that is not a media type. */
const UNKNOWN_MEDIA_TYPE = 'application/octet-stream';

/**
 * Passes request bodies to the routes as streams, for every media type, and allows an answer before a body has ended.
 *
 * A client that is refused early continues to send, and most clients read the answer only after they have sent everything.
 * So the rest is read and discarded, up to a limit. If the connection was closed at once, the client would see a broken pipe
 * instead of the answer. A client that waits for 100 Continue gets it when the body is first read; if it is refused before, it
 * sends no body. The body of a client that is refused because it is too slow is not read any more.
 */
export default fp(
  async (app) => {
    const discards = new Discards();
    app.decorateRequest('isBodyRead', false);
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));

    app.server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
      expecting.add(request);
      // The client may or may not send its body, as with 100-continue.
      waiting.add(request);
      app.routing(request, response);
    });
    app.addHook('onRequest', (request, _reply, done) => {
      if (!expecting.has(request.raw)) return done();
      const detail = `Expect is ${showValue(request.headers.expect)}, expected 100-continue or none`;
      done(new LossmeterError('expectation_failed', detail));
    });

    // Fastify would refuse an invalid Content-Type before the route is called. `request.raw` keeps the original header.
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
        // An answer may have been sent without the hook below. Node.js then reads the body, which emits `resume`.
        if (waiting.delete(request) && !response.headersSent && !response.destroyed) response.writeContinue();
      });
      app.routing(request, response);
    });

    app.addHook('onSend', async (request, reply) => {
      // No bytes are left to discard, although for a small body Node.js sets `complete` only after the answer.
      if (request.isBodyRead) return;
      const { raw } = request;
      // The client may or may not send its body without a 100, so the start of a next request would be ambiguous.
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
