import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { ERRORS } from '../../src/errors.ts';
import { writeFiles } from '../cli/shards/small-files.ts';
import { readDocument } from '../openapi-document.ts';
import { Service } from '../service.ts';

interface Operation {
  operationId: string;
  parameters?: { name: string; in: string; example?: unknown; schema: { examples?: unknown[] } }[];
  responses: Record<string, { content?: Record<string, { schema: Refusal; example?: Problem }> }>;
  requestBody?: { content: Record<string, { example?: unknown }> };
}

const { paths } = readDocument() as {
  paths: Record<string, Record<string, Operation>>;
};
const operations = Object.entries(paths).flatMap(([path, methods]) =>
  Object.entries(methods).flatMap(([method, operation]) =>
    operation.requestBody === undefined ? [] : [{ path, method, ...operation, body: operation.requestBody }],
  ),
);

const dataDir = mkdtempSync(join(tmpdir(), 'lossmeter-examples-'));
afterAll(() => rmSync(dataDir, { recursive: true }));
// The example of a job names these files.
writeFiles(join(dataDir, 'eval'), 2);

const service = Service.start({ dataDir });

test.each(operations)('the example of $operationId is answered', async ({ path, method, parameters = [], body }) => {
  const names = parameters.filter((parameter) => parameter.in === 'path');
  const url = names.reduce(
    (made, { name, example, schema }) => made.replace(`{${name}}`, String(example ?? schema.examples![0])),
    service.url + path,
  );
  const { example } = body.content['application/json']!;
  expect(example).toBeDefined();
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(url, { method: method.toUpperCase(), headers, body: JSON.stringify(example) });
  expect(response.ok, await response.text()).toBe(true);
});

interface Refusal {
  properties?: { code?: object };
}

interface Problem {
  code: keyof typeof ERRORS;
}

test('each refusal of an operation has an example of its own status', () => {
  const refusals = Object.values(paths).flatMap((methods) =>
    Object.values(methods).flatMap(({ operationId, responses }) =>
      Object.entries(responses).flatMap(([status, { content = {} }]) =>
        Object.values(content).map((media) => ({ operationId, status: Number(status), ...media })),
      ),
    ),
  );
  const errors = refusals.filter(({ status }) => status >= 400);
  expect(errors.filter(({ example }) => example === undefined)).toEqual([]);
  const ofErrors = errors.filter(({ schema }) => schema.properties?.code !== undefined);
  expect(ofErrors.length).toBeGreaterThan(100);
  for (const { operationId, status, example } of ofErrors) {
    expect(ERRORS[example!.code].status, `${operationId} ${status}`).toBe(status);
  }
});

test.each([
  ['/docs', 'docs/'],
  ['/docs/static/index.html', '../'],
])('%s leads to the page by a relative path', async (path, location) => {
  const { status, headers } = await fetch(service.url + path, { redirect: 'manual' });
  expect([status, headers.get('location')]).toEqual([302, location]);
  const page = await (await fetch(service.url + path)).text();
  for (const [, link] of page.matchAll(/(?:href|src)="([^"]*)"/g)) expect(link).toMatch(/^\.\//);
});
