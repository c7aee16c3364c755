/** A real service on a free port, for tests over HTTP. */
import { Packr, Unpackr } from 'msgpackr';
import { afterAll, beforeAll } from 'vitest';
import type { Config } from '../src/config.ts';
import type { Evaluation } from '../src/contract/cross-entropy.ts';
import { listen, sharedUrl, testConfig } from './app.ts';

export { testConfig };

const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });

export const MSGPACK = 'application/vnd.msgpack';
export const JSON_TYPE = 'application/json';

/** An answer with its decoded body. */
export interface Answer {
  status: number;
  type: string | null;
  headers: Headers;
  /** The decoded body: an evaluation, or a problem. */
  body: Evaluation & { code: string; detail: string; errors?: { pointer: string; detail: string }[] };
}

export class Service {
  #url = '';

  get url(): string {
    return this.#url;
  }

  /** Starts a service before the tests of this file or block, and closes it after. */
  static start(config: Partial<Config> = {}): Service {
    const service = new Service();
    let close: () => Promise<void>;
    beforeAll(async () => {
      ({ url: service.#url, close } = await listen(testConfig(config)));
    });
    afterAll(() => close());
    return service;
  }

  /**
   * Uses a service with the default configuration that other test files of the process use too. For tests that neither
   * list runs nor count requests, and whose runs have names of their own.
   */
  static shared(): Service {
    const service = new Service();
    beforeAll(async () => {
      service.#url = await sharedUrl();
    });
    return service;
  }

  /** Posts a request, encoded for its media type, or bytes as they are. */
  async post(
    request: unknown,
    {
      type = JSON_TYPE,
      headers = {},
      path = '/v1/cross-entropy',
    }: { type?: string; headers?: Record<string, string>; path?: string } = {},
  ): Promise<Answer> {
    const body = request instanceof Uint8Array || typeof request === 'string' ? request : encodeRequest(request, type);
    const response = await fetch(this.#url + path, {
      method: 'POST',
      headers: { 'content-type': type, ...headers },
      body: body as NonNullable<RequestInit['body']>,
    });
    return readAnswer(response);
  }

  async get(path: string): Promise<Response> {
    return fetch(this.#url + path);
  }
}

export function encodeRequest(request: unknown, type: string): Uint8Array | string {
  return type === JSON_TYPE ? JSON.stringify(request) : packr.pack(request);
}

async function readAnswer(response: Response): Promise<Answer> {
  const bytes = Buffer.from(await response.arrayBuffer());
  const type = response.headers.get('content-type');
  const body: unknown = type?.includes('json') === true ? JSON.parse(bytes.toString()) : unpackr.unpack(bytes);
  return { status: response.status, type, headers: response.headers, body: body as Answer['body'] };
}
