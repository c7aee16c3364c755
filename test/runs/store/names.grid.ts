/** Names of runs over HTTP, on the store of the suite. */
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { listen, testConfig } from '../../app.ts';
import { NAMES, runName } from '../names.ts';
import { makeHistory } from './open.ts';

async function startService(): Promise<(path: string, init?: RequestInit) => Promise<Response>> {
  const { place } = await makeHistory();
  const { url, close } = await listen(testConfig({ store: place }));
  onTestFinished(close);
  return (path, init) => fetch(`${url}/v1/runs${path}`, init);
}

const pathOf = (run: string): string => `/${encodeURIComponent(run)}`;
const put = (body: object): RequestInit => ({
  ...{ method: 'PUT', headers: { 'content-type': 'application/json' } },
  body: JSON.stringify(body),
});
const byCodePoints = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

interface Listed {
  runs: { run: string }[];
  next?: string;
}

test('runs of any names are recorded, listed, read, exported and deleted', { timeout: 300_000 }, async () => {
  const call = await startService();
  /** Names in order, over pages of two. */
  const listAll = async (): Promise<string[]> => {
    const names: string[] = [];
    for (let cursor: string | undefined; ;) {
      const query = new URLSearchParams({ sort: 'name', limit: '2', ...(cursor !== undefined && { cursor }) });
      const answer = await call(`?${query.toString()}`);
      expect(answer.status).toBe(200);
      const { runs, next } = (await answer.json()) as Listed;
      names.push(...runs.map(({ run }) => run));
      if (next === undefined) return names;
      cursor = next;
    }
  };
  const names = fc.uniqueArray(runName, { minLength: 1, maxLength: 6 });
  const check = async (runs: string[]): Promise<void> => {
    for (const [step, run] of runs.entries()) {
      const recorded = await call(`${pathOf(run)}/steps/${step}/ranks/0`, put({ numerator: step, denominator: 1 }));
      expect([recorded.status, run]).toEqual([201, run]);
      expect((await call(pathOf(run), put({ labels: { own: run } }))).status).toBe(200);
    }
    expect(await listAll()).toEqual(runs.toSorted(byCodePoints));
    for (const [step, run] of runs.entries()) {
      expect(await (await call(pathOf(run))).json()).toMatchObject({ run, labels: { own: run }, last_step: step });
      expect(await (await call(`${pathOf(run)}/steps/${step}`)).json()).toMatchObject({ run, step, loss: step });
      const exported = await call(`${pathOf(run)}/export?format=jsonl`);
      expect(exported.headers.get('content-disposition')).toMatch(/^attachment; filename="/);
      expect((await exported.text()).split('\n')[0]).toContain(`"step":${step}`);
      const found = (await (await call(`?${new URLSearchParams({ search: run }).toString()}`)).json()) as Listed;
      expect(found.runs.map((listed) => listed.run)).toContain(run);
    }
    for (const run of runs) {
      expect((await call(pathOf(run), { method: 'DELETE' })).status).toBe(204);
      expect((await call(pathOf(run))).status).toBe(404);
    }
    expect(await listAll()).toEqual([]);
  };
  await check(NAMES);
  await fc.assert(fc.asyncProperty(names, check), { numRuns: 40 });
});

test('what is no name is refused with its reason, before anything is written', async () => {
  const call = await startService();
  // A whole segment `%2e%2e` is not tested, because clients resolve it.
  const refused = { '%20a': 'white space', 'a%0A': 'a control character', 'a%2F..%2Fb': '`.` or `..`' };
  const reserved = {
    '~removed%201': 'is reserved',
    'a%00b': 'a control character',
    ['a'.repeat(257)]: '256 characters',
  };
  for (const [segment, reason] of Object.entries({ ...refused, ...reserved })) {
    for (const path of [`/${segment}`, `/${segment}/steps/1/ranks/0`]) {
      const answer = await call(path, put(path.endsWith('0') ? { numerator: 1, denominator: 1 } : {}));
      const { code, detail } = (await answer.json()) as { code: string; detail: string };
      expect([answer.status, code, detail]).toEqual([400, 'bad_request', expect.stringContaining(reason)]);
    }
  }
  expect(await (await call('')).json()).toMatchObject({ runs: [], total: 0 });
});

test('a path that cannot be decoded is a problem', async () => {
  const call = await startService();
  for (const segment of ['%', 'a%2', '%zz', '%FF', '%C3%28', '%ED%A0%80', 'a%2F%E2%82']) {
    const answer = await call(`/${segment}`);
    expect([segment, answer.status, answer.headers.get('content-type')]).toEqual([
      ...[segment, 400],
      expect.stringContaining('application/problem+json'),
    ]);
  }
});

test('a cursor that holds no name is refused', async () => {
  const call = await startService();
  for (const run of ['a/b', 'c'] as const) expect((await call(pathOf(run), put({}))).status).toBe(201);
  const { next } = (await (await call('?sort=name&limit=1')).json()) as Listed;
  expect(next).toMatch(/~a%2Fb$/);
  for (const place of ['%00', '%', '%ED%A0%80', '~removed%201']) {
    const cursor = next!.replace('a%2Fb', place);
    expect((await call(`?sort=name&cursor=${encodeURIComponent(cursor)}`)).status).toBe(400);
  }
});
