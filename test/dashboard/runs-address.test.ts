import { expect, test } from 'vitest';
import { RUN_SORTS } from '../../dashboard/src/api/run-query.ts';
import { formatQuery, parseQuery } from '../../dashboard/src/runs-page/address.ts';
import { SORTS } from '../../src/contract/runs.ts';

test('search and order of the list of runs stand in the address, where they differ from the default', () => {
  for (const [query, text] of [
    [{ search: '', sort: 'newest' }, ''],
    [{ search: 'lr=0.1 100%', sort: 'newest' }, 'q=lr%3D0.1+100%25'],
    [{ search: 'a', sort: 'updated' }, 'q=a&sort=updated'],
  ] as const) {
    expect(formatQuery(query).toString()).toBe(text);
    expect(parseQuery(new URLSearchParams(text))).toEqual(query);
  }
  expect(parseQuery(new URLSearchParams('sort=loss'))).toEqual({ search: '', sort: 'newest' });
});

test('the orders are those of the service', () => {
  expect(RUN_SORTS).toEqual(SORTS);
});
