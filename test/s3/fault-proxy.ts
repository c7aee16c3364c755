import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { finished } from 'node:stream';

/** A request for an object. `index` is its number since the last `fail`. */
export interface Asked {
  readonly index: number;
  readonly method: string;
  readonly path: string;
  readonly range: string | undefined;
}

/** Fault that replaces or changes the answer of the server. */
export type Fault =
  /** An S3 error response. */
  | { readonly status: number; readonly code: string; readonly retryAfter?: string }
  /** The connection breaks before a response comes. */
  | 'reset'
  /** The connection breaks after this number of body bytes. */
  | { readonly resetAfter: number }
  /** The body ends after this number of bytes, with a matching Content-Length. */
  | { readonly cutAfter: number }
  /** The body arrives in pieces of `pieceBytes`, one every `everyMs`. */
  | { readonly pieceBytes: number; readonly everyMs: number }
  /** No response arrives. */
  | 'silence'
  /** ETag of another version of the object, as from a server without support for If-Match. */
  | { readonly etag: string }
  /** The whole object, as from a server without support for Range. */
  | 'whole';

/** Milliseconds between the last byte and a reset. */
const FLUSH_MS = 20;

type Fail = (asked: Asked) => Fault | undefined;

interface TlsFiles {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** A proxy in front of the server, which counts requests and bytes, and injects faults. */
export class FaultProxy implements AsyncDisposable {
  readonly #target: string;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #server: Server;
  readonly #scheme: string;
  #fail: Fail = () => undefined;
  /** Requests since the last `fail`. */
  asked: Asked[] = [];
  /** Bytes of bodies of objects since the last `fail`. */
  bytes = 0;
  /** Greatest number of concurrent requests since the last `fail`. */
  atOnce = 0;
  /** Number of requests in progress. */
  underWay = 0;

  private constructor(target: string, tls: TlsFiles | undefined) {
    this.#target = target;
    this.#scheme = tls === undefined ? 'http' : 'https';
    const answer = (incoming: IncomingMessage, outgoing: ServerResponse): void => this.#answer(incoming, outgoing);
    this.#server = tls === undefined ? createServer(answer) : createTlsServer(tls, answer);
  }

  /** @param tls certificate and key of a proxy that speaks TLS */
  static async start(target: string, tls?: TlsFiles): Promise<FaultProxy> {
    const proxy = new FaultProxy(target, tls);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Sets the faults of later requests, and resets the counts. */
  fail(fail: Fail = () => undefined): void {
    this.#fail = fail;
    this.asked = [];
    this.bytes = 0;
    this.atOnce = 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy();
    this.#server.closeAllConnections();
    await this.#server[Symbol.asyncDispose]();
  }

  #answer(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const { method = '', url = '', headers } = incoming;
    const asked = { index: this.asked.length, method, path: url, range: headers.range };
    this.asked.push(asked);
    this.atOnce = Math.max(this.atOnce, ++this.underWay);
    finished(outgoing, () => this.underWay--);
    const fault = this.#fail(asked);
    if (fault === 'silence') return;
    if (fault === 'reset') {
      outgoing.destroy();
      return;
    }
    if (fault !== undefined && typeof fault === 'object' && 'status' in fault) {
      incoming.resume();
      outgoing.writeHead(fault.status, {
        'content-type': 'application/xml',
        ...(fault.retryAfter !== undefined && { 'retry-after': fault.retryAfter }),
      });
      outgoing.end(method === 'HEAD' ? undefined : `<?xml version="1.0"?><Error><Code>${fault.code}</Code></Error>`);
      return;
    }
    if (fault === 'whole') delete headers.range;
    // The path is passed separately, because a URL would resolve `..` in it.
    const { hostname, port } = new URL(this.#target);
    const inner = request({ hostname, port, path: url, method, headers, agent: this.#agent }, (reply) => {
      void this.#pass(reply, outgoing, fault === 'whole' ? undefined : fault).catch(() => outgoing.destroy());
    });
    inner.on('error', () => outgoing.destroy());
    outgoing.on('close', () => inner.destroy());
    incoming.pipe(inner);
  }

  async #pass(reply: IncomingMessage, outgoing: ServerResponse, fault: Exclude<Fault, string> | undefined) {
    const isObject = reply.statusCode === 206 || reply.headers['content-range'] !== undefined;
    const headers = { ...reply.headers };
    if (fault !== undefined && 'etag' in fault) headers.etag = fault.etag;
    if (fault !== undefined && 'cutAfter' in fault) headers['content-length'] = String(fault.cutAfter);
    outgoing.writeHead(reply.statusCode!, headers);
    outgoing.flushHeaders();
    let left = Infinity;
    if (fault !== undefined && 'resetAfter' in fault) left = fault.resetAfter;
    if (fault !== undefined && 'cutAfter' in fault) left = fault.cutAfter;
    for await (const chunk of reply as AsyncIterable<Buffer>) {
      const part = chunk.subarray(0, left);
      left -= part.byteLength;
      if (isObject) this.bytes += part.byteLength;
      if (fault !== undefined && 'everyMs' in fault) await trickle(outgoing, part, fault);
      else if (!outgoing.write(part)) await once(outgoing, 'drain');
      if (left > 0) continue;
      if (fault !== undefined && 'resetAfter' in fault) {
        // An immediate reset would lose bytes that are still being sent.
        await new Promise((resolve) => setTimeout(resolve, FLUSH_MS));
        outgoing.destroy();
      }
      break;
    }
    outgoing.end();
  }
}

async function trickle(
  outgoing: ServerResponse,
  bytes: Buffer,
  { pieceBytes, everyMs }: { pieceBytes: number; everyMs: number },
) {
  for (let at = 0; at < bytes.byteLength && !outgoing.destroyed; at += pieceBytes) {
    await new Promise((resolve) => setTimeout(resolve, everyMs));
    outgoing.write(bytes.subarray(at, at + pieceBytes));
  }
}
