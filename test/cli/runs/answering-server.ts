import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export interface Received {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
}

export interface Reply {
  status: number;
  headers?: Record<string, string>;
  body?: unknown;
}

/** A server with failures that the service has under load or behind a proxy. */
export class AnsweringServer {
  readonly received: Received[] = [];
  readonly url: string;
  readonly close: () => void;

  private constructor(url: string, close: () => void) {
    this.url = url;
    this.close = close;
  }

  /** @param answer reply to a request; undefined breaks the connection */
  static async start(answer: (request: Received, count: number) => Reply | undefined): Promise<AnsweringServer> {
    const server = createServer((request, response) => {
      void text(request)
        .then((body) => {
          const { method = '', url = '', headers } = request;
          const received = { method, path: url, headers, body };
          started.received.push(received);
          const reply = answer(received, started.received.length - 1);
          if (reply === undefined) {
            request.socket.destroy();
            return undefined;
          }
          response.writeHead(reply.status, { 'content-type': 'application/json', ...reply.headers });
          return response.end(reply.body === undefined ? '' : JSON.stringify(reply.body));
        })
        .catch((error: Error) => response.destroy(error));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const started = new AnsweringServer(`http://127.0.0.1:${port}`, () => {
      server.close();
      server.closeAllConnections();
    });
    return started;
  }
}
