import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CURSOR_PATTERN, SORTS } from '../../src/contract/runs.ts';
import { formatCursor, readCursor } from '../../src/runs/run-query.ts';
import type { RunSort } from '../../src/contract/runs.ts';
import type { RunPlace } from '../../src/runs/run-query.ts';
import { runName } from './names.ts';

const id = fc.integer({ min: 1, max: 1e15 - 1 });
const placeOf: Record<RunSort, fc.Arbitrary<RunPlace>> = {
  newest: fc.tuple(id),
  oldest: fc.tuple(id),
  name: fc.tuple(runName),
  updated: fc.tuple(id, id),
};
const list = fc.constantFrom(...SORTS).chain((sort) =>
  fc.record({
    query: fc.record({ search: fc.string({ unit: 'grapheme' }), sort: fc.constant(sort) }),
    place: placeOf[sort],
  }),
);

test('a cursor gives its place back, for the same list', () => {
  fc.assert(
    fc.property(list, ({ query, place }) => {
      const cursor = formatCursor(query, place);
      expect(cursor).toMatch(new RegExp(CURSOR_PATTERN));
      expect(readCursor(query, cursor)).toEqual(place);
    }),
  );
});

test('the cursor of the newest runs without a search is the plain id of versions before', () => {
  expect(formatCursor({ search: ' ', sort: 'newest' }, [17])).toBe('17');
  expect(readCursor({ search: '', sort: 'newest' }, '17')).toEqual([17]);
});

test('the cursor of a name is that of versions before, and a longest one fits', () => {
  const query = { search: '', sort: 'name' } as const;
  expect(formatCursor(query, ['gpt-1b.seed~7'])).toMatch(/^name~[0-9a-f]{16}~gpt-1b\.seed~7$/);
  expect(readCursor(query, formatCursor(query, ['r']).replace(/r$/, 'a:b'))).toEqual(['a:b']);
  expect(formatCursor(query, ['😀'.repeat(256)])).toMatch(new RegExp(CURSOR_PATTERN));
});

test('searches of the same words share a cursor', () => {
  const cursor = formatCursor({ search: 'GPT  lr=1', sort: 'name' }, ['r']);
  expect(readCursor({ search: ' gpt lr=1', sort: 'name' }, cursor)).toEqual(['r']);
});

test.each<[string, string, RunSort, string]>([
  ['17', '', 'name', 'cursor: "17" belongs to a list with sort=newest, expected the cursor of a list with sort=name'],
  ['17', 'gpt', 'newest', 'cursor: "17" belongs to a list of another search'],
  [formatCursor({ search: 'gpt', sort: 'newest' }, [17]), '', 'newest', 'belongs to a list of another search'],
  [formatCursor({ search: 'gpt', sort: 'oldest' }, [17]), 'gpt-2', 'oldest', 'belongs to a list of another search'],
  [
    formatCursor({ search: '', sort: 'updated' }, [5, 17]),
    '',
    'oldest',
    'with sort=updated, expected the cursor of a list with sort=oldest',
  ],
  [formatCursor({ search: '', sort: 'updated' }, [5, 17]).slice(0, -3), '', 'updated', 'belongs to no list'],
  [
    formatCursor({ search: '', sort: 'oldest' }, ['x.y']),
    '',
    'oldest',
    'expected the value of `next` in the previous page',
  ],
])('the cursor %s of another list is refused for the search “%s” and the order %s', (cursor, search, sort, says) => {
  expect(() => readCursor({ search, sort }, cursor)).toThrow(
    expect.objectContaining({
      ...{ code: 'bad_request', message: expect.stringContaining(says) as string },
      places: [{ pointer: '/cursor', detail: expect.stringContaining(says) as string }],
    }),
  );
});
