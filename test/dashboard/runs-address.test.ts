import { expect, test } from 'vitest';
import { ARCHIVED_CHOICES, RUN_SORTS, RUN_STATES } from '../../dashboard/src/api/run-query.ts';
import { formatView, parseView } from '../../dashboard/src/runs-page/address.ts';
import { STATES } from '../../src/contract/run-metadata.ts';
import { ARCHIVED, SORTS } from '../../src/contract/runs.ts';

const standard = parseView(new URLSearchParams());

test('search, order, filters, columns and group of the list of runs stand in the address, where they differ from the default', () => {
  for (const [view, text] of [
    [{}, ''],
    [{ search: 'lr=0.1 100%' }, 'q=lr%3D0.1+100%25'],
    [{ search: 'a', sort: 'updated' }, 'q=a&sort=updated'],
    [{ columns: ['last', 'label:a,b'], group: 'model' }, 'columns=last%2Clabel%3Aa%252Cb&group=model'],
    [{ columns: [] }, 'columns='],
    [{ state: 'crashed', tags: ['a,b', 'c'], archived: 'any' }, 'state=crashed&tag=a%252Cb%2Cc&archived=any'],
  ] as const) {
    expect(formatView({ ...standard, ...view }).toString()).toBe(text);
    expect(parseView(new URLSearchParams(text))).toEqual({ ...standard, ...view });
  }
  expect(parseView(new URLSearchParams('sort=loss&state=lost&archived=maybe'))).toEqual(standard);
});

test('orders, states and choices of archived runs are those of the service', () => {
  expect(RUN_SORTS).toEqual(SORTS);
  expect(RUN_STATES).toEqual(STATES);
  expect(ARCHIVED_CHOICES).toEqual(ARCHIVED);
});
