import { beforeAll, describe, expect, test } from 'vitest';
import { Service } from '../service.ts';

const service = Service.start();

interface Listed {
  runs: { run: string; status: string }[];
  next?: string;
  total?: number;
  active?: number;
  non_finite?: number;
}

interface Refused {
  code: string;
  detail: string;
  errors: { pointer: string; detail: string }[];
}

async function list<T = Listed>(query: Record<string, string | number>, status = 200): Promise<T> {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) parameters.set(name, String(value));
  const response = await service.get(`/v1/runs?${parameters.toString()}`);
  const body = (await response.json()) as T;
  expect(response.status, JSON.stringify(body)).toBe(status);
  return body;
}

const namesOf = ({ runs }: Listed): string[] => runs.map(({ run }) => run);

async function put(path: string, body: object): Promise<void> {
  const response = await fetch(`${service.url}/v1/runs/${path}`, {
    ...{ method: 'PUT', headers: { 'content-type': 'application/json' } },
    body: JSON.stringify(body),
  });
  expect(response.ok, await response.text()).toBe(true);
}

const numbered = (count: number): string[] =>
  Array.from({ length: count }, (_, k) => `run-${String(k).padStart(3, '0')}`);

beforeAll(async () => {
  for (const [k, run] of numbered(120).entries()) {
    await put(run, { labels: { model: k % 2 === 0 ? 'GPT 1b' : 'llama', share: `${k}%` } });
    if (k < 60) await put(`${run}/steps/1/ranks/0`, { numerator: k % 20 === 0 ? 'NaN' : 1, denominator: 1 });
  }
});

describe('the list of runs', () => {
  test('has the number of runs, of the active ones and of those that are not finite, on its first page', async () => {
    const first = await list({});
    expect(first).toMatchObject({ total: 120, active: 60, non_finite: 3 });
    expect(namesOf(first)).toEqual(numbered(120).toReversed().slice(0, 50));
    expect(first.next).toMatch(/^\d+$/);
    const second = await list({ cursor: first.next! });
    expect(Object.keys(second)).toEqual(['runs', 'next']);
    expect(namesOf(second)).toEqual(numbered(120).toReversed().slice(50, 100));
  });

  test.each(['newest', 'oldest', 'name', 'updated'])('comes in pages in the order %s', async (sort) => {
    const whole = await list({ sort, limit: 200 });
    expect(whole.next).toBeUndefined();
    expect(new Set(namesOf(whole))).toEqual(new Set(numbered(120)));
    const pages: Listed[] = [];
    for (let cursor: string | undefined; ;) {
      pages.push(await list({ sort, limit: 33, ...(cursor !== undefined && { cursor }) }));
      cursor = pages.at(-1)!.next;
      if (cursor === undefined) break;
    }
    expect(pages.flatMap(namesOf)).toEqual(namesOf(whole));
    expect(pages.map(({ total }) => total)).toEqual([120, undefined, undefined, undefined]);
  });

  test('finds words in names and labels, in upper or lower case, and takes no character for a wildcard', async () => {
    expect(await list({ search: 'model=gpt', limit: 1 })).toMatchObject({ total: 60, active: 30, non_finite: 3 });
    expect(namesOf(await list({ search: 'LLAMA run-01', sort: 'name' }))).toEqual(
      [1, 3, 5, 7, 9].map((k) => `run-01${k}`),
    );
    expect(namesOf(await list({ search: 'share=7%' }))).toEqual(['run-007']);
    expect(await list({ search: 'run_0' })).toEqual({ runs: [], total: 0, active: 0, non_finite: 0 });
    expect(await list({ search: ' \t ', limit: 1 })).toMatchObject({ total: 120 });
  });

  test('refuses a cursor of another list', async () => {
    const { next: ofNames } = await list({ sort: 'name', limit: 1 });
    const { next: ofSearch } = await list({ search: 'gpt', limit: 1 });
    for (const [query, says] of [
      [{ cursor: ofNames! }, 'belongs to a list with sort=name, expected the cursor of a list with sort=newest'],
      [{ cursor: ofNames!, sort: 'name', search: 'gpt' }, 'belongs to a list of another search'],
      [{ cursor: ofSearch! }, 'belongs to a list of another search'],
      [{ cursor: '17', search: 'gpt' }, 'cursor: "17" belongs to a list of another search'],
    ] as const) {
      const { code, detail, errors } = await list<Refused>(query, 400);
      expect(code).toBe('bad_request');
      expect(detail).toContain(says);
      expect(errors).toMatchObject([{ pointer: '/cursor' }]);
    }
    expect(namesOf(await list({ cursor: ofSearch!, search: ' GPT', limit: 1 }))).toEqual(['run-116']);
  });

  test.each([
    [{ search: 'x'.repeat(257) }, '/search'],
    [{ sort: 'loss' }, '/sort'],
    [{ cursor: 'x' }, '/cursor'],
    [{ query: 'gpt' }, '/query'],
  ])('refuses %j', async (query, pointer) => {
    const { code, errors } = await list<Refused>(query, 400);
    expect([code, errors.map((place) => place.pointer)]).toEqual(['bad_request', [pointer]]);
  });
});
