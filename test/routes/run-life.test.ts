import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { newFolder, writeKeyOfEachScope } from '../keys.ts';
import { Service } from '../service.ts';

interface Answered {
  status: number;
  body: Record<string, unknown> & { code?: string; detail?: string; errors?: { pointer: string }[] };
}

async function callTo(
  url: string,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answered> {
  const response = await fetch(`${url}/v1/runs${path}`, {
    method,
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? {} : (JSON.parse(text) as Answered['body']) };
}

const PAIR = { numerator: 1, denominator: 1 };

describe('the life of a run', () => {
  const service = Service.start();
  const call = (method: string, path: string, body?: unknown) => callTo(service.url, method, path, body);

  test('its state, notes, tags and place in the archive are set and shown', async () => {
    const said = { state: 'running', notes: 'first\ntry', tags: ['a', 'b', 'a'], archived: false };
    expect(await call('PUT', '/said', said)).toMatchObject({ status: 201, body: { ...said, tags: ['a', 'b'] } });
    await call('PUT', '/said', { state: 'finished', archived: true });
    const { body } = await call('GET', '/said');
    expect(body).toMatchObject({ state: 'finished', notes: 'first\ntry', tags: ['a', 'b'], archived: true });
    await call('PUT', '/silent/steps/1/ranks/0', PAIR);
    const silent = await call('GET', '/silent');
    expect(silent.body).toMatchObject({ state: 'running', notes: '', tags: [], archived: false });
  });

  test.each([
    [{ state: 'crashed' }, '/state'],
    [{ notes: 'x'.repeat(16_385) }, '/notes'],
    [{ notes: 'a\u0000b' }, '/notes'],
    [{ tags: Array.from({ length: 65 }, (_, k) => `t${k}`) }, '/tags'],
    [{ tags: ['x'.repeat(65)] }, '/tags/0'],
    [{ tags: ['a\nb'] }, '/tags/0'],
    [{ tags: [''] }, '/tags/0'],
    [{ archived: 1 }, '/archived'],
  ])('what is invalid is refused: %j', async (metadata, pointer) => {
    const { status, body } = await call('PUT', '/refused', metadata);
    expect([status, body.code]).toEqual([422, 'invalid_metadata']);
    expect(body.errors!.map((place) => place.pointer)).toContain(pointer);
    expect((await call('GET', '/refused')).status).toBe(404);
  });

  test('a list is filtered by repeated labels and tags, by state and by the archive', async () => {
    for (const [k, state] of ['running', 'finished', 'failed'].entries()) {
      const labels = { family: 'filtered', size: k, last: k === 2 };
      await call('PUT', `/filtered-${k}`, { labels, state, tags: ['filtered', `t=${k}`], archived: k === 2 });
    }
    const names = async (query: string): Promise<unknown> => {
      const { status, body } = await call('GET', `?sort=name&label=family=filtered&${query}`);
      const runs = body['runs'] as { run: string }[];
      expect([status, body['total']], query).toEqual([200, runs.length]);
      return runs.map(({ run }) => Number(run.at(-1)));
    };
    expect(await names('')).toEqual([0, 1]);
    expect(await names('archived=any')).toEqual([0, 1, 2]);
    expect(await names('archived=true')).toEqual([2]);
    expect(await names('state=finished')).toEqual([1]);
    expect(await names('label=size=1')).toEqual([1]);
    expect(await names('label=last=true&archived=any')).toEqual([2]);
    expect(await names('tag=filtered&tag=t%3D0')).toEqual([0]);
    expect(await names('tag=filtered&search=filtered-1')).toEqual([1]);
    expect(await names('label=size=2&label=size=1&archived=any')).toEqual([]);
  });

  test.each([
    'state=ended',
    'label=size',
    'label==1',
    'archived=yes',
    'tag=',
    `tag=${'x'.repeat(65)}`,
    'state=a&state=b',
  ])('the filter %s is refused', async (query) => {
    const { status, body } = await call('GET', `?${query}`);
    expect([status, body.code]).toEqual([400, 'bad_request']);
    expect(body.detail).toContain(query.split('=')[0]);
  });

  test('a cursor goes on in its own list, and in no other', async () => {
    for (const k of [0, 1, 2]) await call('PUT', `/paged-${k}`, { tags: ['paged', 'x'], labels: { paged: true } });
    const own = 'tag=paged&tag=x&label=paged=true&state=idle&limit=2';
    const { body } = await call('GET', `?${own}`);
    const next = encodeURIComponent(body['next'] as string);
    // The order of tags does not matter.
    const { body: rest } = await call('GET', `?tag=x&tag=paged&label=paged=true&state=idle&cursor=${next}`);
    expect((rest['runs'] as { run: string }[]).map(({ run }) => run)).toEqual(['paged-0']);
    for (const other of ['', 'tag=paged', 'tag=paged&tag=x&state=idle', `${own}&archived=any`, 'search=paged']) {
      const { status, body: refused } = await call('GET', `?${other}&cursor=${next}`);
      expect([status, refused.errors?.[0]?.pointer], other).toEqual([400, '/cursor']);
    }
    const plain = (await call('GET', '?limit=1')).body['next'] as string;
    expect((await call('GET', `?tag=paged&cursor=${plain}`)).status).toBe(400);
  });

  test('a renamed run answers under its new name alone', async () => {
    await call('PUT', '/old/steps/1/ranks/0', PAIR);
    await call('PUT', '/other', {});
    const before = (await call('GET', '/old/steps')).body;
    const renamed = await call('POST', '/old/rename', { name: 'a/b c' });
    expect(renamed).toMatchObject({ status: 200, body: { run: 'a/b c', batches: 1 } });
    expect((await call('GET', '/a%2Fb%20c/steps')).body).toEqual(before);
    for (const path of ['', '/steps', '/events', '/scalars'])
      expect((await call('GET', `/old${path}`)).status).toBe(404);
    expect(await call('POST', '/old/rename', { name: 'c' })).toMatchObject({
      status: 404,
      body: { code: 'not_found' },
    });
    const taken = await call('POST', '/a%2Fb%20c/rename', { name: 'other' });
    expect([taken.status, taken.body.code]).toEqual([409, 'name_taken']);
    expect((await call('GET', '/other')).body).toMatchObject({ batches: 0 });
  });

  test.each([['../x'], [' x'], ['x'.repeat(257)], ['~removed 1'], [''], [7], [null]])(
    'the new name %j is refused, with the reason',
    async (name) => {
      await call('PUT', '/kept', {});
      const { status, body } = await call('POST', '/kept/rename', { name });
      expect([status, body.code]).toEqual([422, 'invalid_metadata']);
      expect(body.errors![0]!.pointer).toBe('/name');
      expect((await call('GET', '/kept')).status).toBe(200);
    },
  );

  test('streams of the old name end with “deleted”, and those of the new name go on', async () => {
    await call('PUT', '/streamed/steps/1/ranks/0', PAIR);
    const read = async (run: string): Promise<{ text: () => string; ended: Promise<void> }> => {
      const left = new AbortController();
      onTestFinished(() => left.abort());
      const response = await fetch(`${service.url}/v1/runs/${run}/events`, { signal: left.signal });
      expect(response.status).toBe(200);
      let text = '';
      const ended = (async () => {
        for await (const part of response.body!.pipeThrough(new TextDecoderStream())) text += part;
      })();
      ended.catch(() => undefined);
      return { text: () => text, ended };
    };
    const old = await read('streamed');
    await call('POST', '/streamed/rename', { name: 'streamed-2' });
    await old.ended;
    expect(old.text()).toMatch(/event: deleted\ndata: \{\}\n\n$/);
    const renamed = await read('streamed-2');
    await call('PUT', '/streamed-2/steps/2/ranks/0', PAIR);
    await call('PUT', '/streamed-2', { state: 'finished' });
    // The two events arrive in any order.
    await expect.poll(() => renamed.text(), { timeout: 5000 }).toMatch(/event: step\n/);
    await expect.poll(() => renamed.text(), { timeout: 5000 }).toMatch(/event: run\n.*"state":"finished"/s);
  });
});

describe('with a quota for each key', () => {
  const folder = newFolder();
  afterAll(() => rmSync(folder, { recursive: true }));
  const apiKeysFile = join(folder, 'keys.json');
  const keys = writeKeyOfEachScope(apiKeysFile);
  const service = Service.start({ apiKeysFile, maxRunsPerKey: 2 });

  test('a further new run is refused, however it comes, until one is deleted', async () => {
    const call = (method: string, path: string, body?: unknown) =>
      callTo(service.url, method, path, body, { 'x-api-key': keys.record });
    expect((await call('PUT', '/one', {})).status).toBe(201);
    expect((await call('PUT', '/two/steps/1/ranks/0', PAIR)).status).toBe(201);
    const ways = [
      call('PUT', '/three', {}),
      call('PUT', '/three/steps/1/ranks/0', PAIR),
      call('POST', '/three/batches', [{ step: 1, ...PAIR }, { step: -1 }]),
    ];
    for (const { status, body } of await Promise.all(ways)) {
      expect([status, body.code]).toEqual([403, 'quota_exceeded']);
      expect(body.detail).toContain('the key record has created 2 runs');
    }
    expect((await call('POST', '/two/batches', [{ step: 2, ...PAIR }])).body['results']).toEqual([{ status: 201 }]);
    expect((await call('POST', '/one/rename', { name: 'renamed' })).status).toBe(200);
    expect((await call('PUT', '/one', {})).status).toBe(403);
    expect((await call('DELETE', '/renamed')).status).toBe(204);
    expect((await call('PUT', '/three', {})).status).toBe(201);
  });
});
