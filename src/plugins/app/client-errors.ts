import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { LossmeterError } from '../../errors.ts';
import { PROBLEM_MEDIA_TYPE, problemOf } from '../../contract/problem.ts';

// An import would add 20 ms to the start: it reads all exports, some of which load the HTTP client.
const { STATUS_CODES } = process.getBuiltinModule('node:http');

/** Answers an error in the head of a request, before Node.js makes a request of it. */
export function answerClientError(app: FastifyInstance, error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET') return;
  refuseConnection(app, explain(error, app.config.maxHeaderBytes), socket);
}

/** Answers CONNECT, for which Node.js provides only a socket. */
export function answerConnect(app: FastifyInstance, socket: Socket): void {
  socket.on('error', () => undefined);
  refuseConnection(
    app,
    new LossmeterError('not_implemented', 'CONNECT is not implemented: this service is not a proxy'),
    socket,
  );
}

/** Writes a problem to the socket, and closes the connection. */
function refuseConnection(app: FastifyInstance, refusal: LossmeterError, socket: Socket): void {
  if (socket.destroyed) return;
  app.telemetry?.http.refused(refusal.code);
  if (socket.writable) {
    const { status, ...problem } = problemOf(refusal, `urn:uuid:${randomUUID()}`);
    const body = JSON.stringify({ status, ...problem });
    const head = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      `content-type: ${PROBLEM_MEDIA_TYPE}`,
      `content-length: ${Buffer.byteLength(body)}`,
      'connection: close',
    ];
    socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  }
  socket.destroySoon();
}

function explain(error: NodeJS.ErrnoException, maxHeaderBytes: number): LossmeterError {
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new LossmeterError('client_too_slow', 'the head of the request did not arrive in time');
  }
  if (error.code === 'HPE_HEADER_OVERFLOW') {
    return new LossmeterError(
      'headers_too_large',
      `the head of the request has more than ${maxHeaderBytes} bytes, the maximum of this service`,
    );
  }
  return new LossmeterError('bad_request', `the request is not HTTP/1.1: ${error.message}`);
}
