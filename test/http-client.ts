import { Agent, request } from 'node:http';
import type { ClientRequest, IncomingMessage } from 'node:http';

/** A request as it goes over the wire. */
export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  /** Media type without parameters; undefined for an answer without Content-Type. */
  readonly mediaType: string | undefined;
  readonly body: Buffer;
}

/** The service did not answer in time. */
class NoAnswer extends Error {}

const GIVE_UP_MS = 10_000;

/** A client of one service, which keeps connections open. */
export class Client implements Disposable {
  readonly #port: number;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(port: number) {
    this.#port = port;
  }

  /** @throws NoAnswer */
  async send({ body, ...head }: HttpRequest): Promise<HttpAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
    const outgoing = this.#open(head, body?.byteLength);
    const impatience = setTimeout(() => outgoing.destroy(new NoAnswer(`no answer in ${GIVE_UP_MS} ms`)), GIVE_UP_MS);
    outgoing.once('error', reject);
    outgoing.once('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () => resolve(answerOf(response, chunks)));
    });
    outgoing.end(body);
    return promise.finally(() => clearTimeout(impatience));
  }

  /** Sends the head and a part of the body, and disconnects. */
  async abandon({ body = new Uint8Array(), ...head }: HttpRequest, bytes: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const outgoing = this.#open(head, body.byteLength);
    outgoing.once('error', () => resolve());
    outgoing.once('close', () => resolve());
    outgoing.write(body.subarray(0, bytes), () => setTimeout(() => outgoing.destroy(), 20));
    await promise;
  }

  /** Reads an endless answer until it pauses for `quietMs`. @returns the bytes received so far */
  async follow({ body: _body, ...head }: HttpRequest, quietMs: number): Promise<HttpAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
    const outgoing = this.#open(head, undefined);
    outgoing.once('response', (response) => {
      const chunks: Buffer[] = [];
      const leave = (): void => {
        resolve(answerOf(response, chunks));
        outgoing.destroy();
      };
      let quiet = setTimeout(leave, quietMs);
      response.on('error', () => undefined);
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        clearTimeout(quiet);
        quiet = setTimeout(leave, quietMs);
      });
    });
    outgoing.once('error', reject);
    outgoing.end();
    return promise;
  }

  #open({ method, path, headers }: Omit<HttpRequest, 'body'>, bodyBytes: number | undefined): ClientRequest {
    return request({
      ...{ host: '127.0.0.1', port: this.#port, agent: this.#agent, method, path },
      headers: { ...headers, ...(bodyBytes !== undefined && { 'content-length': bodyBytes }) },
    });
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

function answerOf({ statusCode, headers }: IncomingMessage, chunks: readonly Buffer[]): HttpAnswer {
  const mediaType = headers['content-type']?.split(';', 1)[0];
  return { status: statusCode!, mediaType, body: Buffer.concat(chunks) };
}
