import { request } from 'node:http';
import { describe, expect, test } from 'vitest';
import { partOf } from '../lists.ts';
import { readDocument } from '../openapi-document.ts';
import { Service } from '../service.ts';

const service = Service.shared();

const { paths } = readDocument() as {
  paths: Record<string, Record<string, { operationId?: string; parameters?: { name: string; example?: unknown }[] }>>;
};

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND', 'QUERY'];

/** Values of path parameters. */
const VALUES: Readonly<Record<string, string>> = { run: 'x', step: '1', rank: '0' };

interface Answered {
  status: number;
  allow: string | undefined;
  type: string | undefined;
  body: string;
}

async function send(method: string, path: string): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const sent = request(service.url + path, { method }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      response.on('end', () => {
        const { allow, 'content-type': type } = response.headers;
        resolve({ status: response.statusCode!, allow, type, body });
      });
    });
    sent.on('error', reject);
    sent.end();
  });
}

describe.each(Object.entries(paths))('%s', (template, operations) => {
  const path = template.replaceAll(/\{(\w+)\}/g, (_all, name: string) => VALUES[name]!);
  const known = new Set(Object.keys(operations).map((method) => method.toUpperCase()));
  const allowed = METHODS.filter((method) => known.has(method) || (method === 'HEAD' && known.has('GET')));

  const missing = METHODS.filter((method) => !allowed.includes(method));
  const targets = [path, `${path}/`, `${path}?x=1`];

  test.each(missing)('has no %s, and names the methods that it has', async (method) => {
    for (const target of method === missing[0] ? targets : partOf(targets, 3)) {
      const { status, allow, type, body } = await send(method, target);
      expect([status, allow], target).toEqual([405, allowed.join(', ')]);
      const isProtocol = path.startsWith('/v2');
      expect(type).toBe(isProtocol ? 'application/json' : 'application/problem+json');
      if (method === 'HEAD') continue;
      expect(JSON.parse(body)).toMatchObject({ code: 'method_not_allowed' });
      if (isProtocol) expect(JSON.parse(body)).toMatchObject({ error: expect.stringContaining(method) as string });
    }
  });
});

test.each(['/v1/runs/x/nothing', '/v1', '/v3', '/v1/runs/x/steps/1/ranks'])('there is no %s', async (path) => {
  for (const method of ['GET', 'POST', 'DELETE'])
    expect(await send(method, path)).toMatchObject({ status: 404, allow: undefined });
});

test.each([100, 101, 128])('a run name of %d characters is one', async (length) => {
  const path = `/v1/runs/${'n'.repeat(length)}`;
  const body = JSON.stringify({ numerator: 1, denominator: 1 });
  const headers = { 'content-type': 'application/json' };
  expect((await fetch(`${service.url}${path}/steps/1/ranks/0`, { method: 'PUT', headers, body })).status).toBe(201);
  for (const read of ['', '/steps', '/steps/1', '/export']) expect((await service.get(path + read)).status).toBe(200);
  expect((await fetch(service.url + path, { method: 'DELETE' })).status).toBe(204);
});

test.each([257, 1000, 10_000])('a run name of %d characters is refused with its reason', async (length) => {
  const response = await service.get(`/v1/runs/${'n'.repeat(length)}`);
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ code: 'bad_request', errors: [{ pointer: '/run' }] });
});
