import { expect, test } from 'vitest';
import { RUN_SORTS } from '../../dashboard/src/api/run-query.ts';
import { formatView, parseView } from '../../dashboard/src/runs-page/address.ts';
import { SORTS } from '../../src/contract/runs.ts';

const standard = parseView(new URLSearchParams());

test('search, order, columns and group of the list of runs stand in the address, where they differ from the default', () => {
  for (const [view, text] of [
    [{}, ''],
    [{ search: 'lr=0.1 100%' }, 'q=lr%3D0.1+100%25'],
    [{ search: 'a', sort: 'updated' }, 'q=a&sort=updated'],
    [{ columns: ['last', 'label:a,b'], group: 'model' }, 'columns=last%2Clabel%3Aa%252Cb&group=model'],
    [{ columns: [] }, 'columns='],
  ] as const) {
    expect(formatView({ ...standard, ...view }).toString()).toBe(text);
    expect(parseView(new URLSearchParams(text))).toEqual({ ...standard, ...view });
  }
  expect(parseView(new URLSearchParams('sort=loss'))).toEqual(standard);
});

test('the orders are those of the service', () => {
  expect(RUN_SORTS).toEqual(SORTS);
});
