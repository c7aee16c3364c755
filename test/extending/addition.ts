import { afterAll, beforeAll, expect, test } from 'vitest';
import { ServiceProcess } from '../e2e/process.ts';
import { Copy } from './copy.ts';
import { ADDITIONS, GENERATED_FILES } from './page.ts';

/** Answer of the service. */
interface Answer<Body> {
  readonly status: number;
  readonly type: string;
  readonly text: string;
  readonly body: Body;
}

interface Request {
  readonly path?: string;
  readonly headers?: Record<string, string>;
}

/** The service with an addition. */
export interface ExtendedService {
  /** Posts an object as JSON, or a text unchanged. @returns the answer, with its body when that is JSON */
  post<Body>(body: object | string, request?: Request): Promise<Answer<Body>>;
  /** A part of the OpenAPI document, by its keys. */
  document(...keys: string[]): Promise<unknown>;
}

const JSON_TYPE = 'application/json';

/** Applies an addition to a copy of the tree, starts the service, and defines the tests that all additions share. */
export function extend(heading: string): ExtendedService {
  const addition = ADDITIONS.get(heading)!;
  let copy: Copy | undefined;
  let typeErrors: string[] = [];
  let service: ServiceProcess | undefined;

  beforeAll(async () => {
    copy = new Copy();
    copy.apply(addition);
    typeErrors = await copy.build();
    service = await ServiceProcess.start({}, { cwd: copy.folder });
  });

  afterAll(async () => {
    await service?.end();
    copy?.remove();
  });

  test('it touches the files that the page names, and so many', () => {
    const touched = copy!.changedFiles().filter((path) => !GENERATED_FILES.includes(path));
    expect(touched.toSorted()).toEqual(addition.files.toSorted());
    expect(touched).toHaveLength(addition.count);
  });

  test('it compiles', () => {
    expect(typeErrors).toEqual([]);
  });

  return {
    async post(body, { path = '/v1/cross-entropy', headers = {} } = {}) {
      const text = typeof body === 'string' ? body : JSON.stringify(body);
      const init = { method: 'POST', headers: { 'content-type': JSON_TYPE, ...headers }, body: text };
      const response = await fetch(service!.url + path, init);
      const type = response.headers.get('content-type') ?? '';
      const answered = await response.text();
      const parsed = type.includes('json') ? JSON.parse(answered) : undefined;
      return { status: response.status, type, text: answered, body: parsed };
    },
    async document(...keys) {
      const whole: unknown = await (await fetch(`${service!.url}/openapi.json`)).json();
      return keys.reduce((part, key) => (part as Record<string, unknown>)[key], whole);
    },
  };
}
