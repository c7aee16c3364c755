import { expect, test } from 'vitest';
import { DIAGNOSIS } from '../../../src/evaluations/diagnosis/diagnosis.ts';
import { evaluated } from '../planned.ts';

const ROWS = [
  [0, 2, NaN],
  [-Infinity, 4, 1],
  [3, 3, 3],
];

test('values are counted, with the first place of each cause', async () => {
  const { answer } = await evaluated(DIAGNOSIS, ROWS, {});
  expect(answer).toMatchObject({
    verdict: 'non_finite',
    values: { total: 9, nan: 1, pos_inf: 0, neg_inf: 1, zero: 1, min: 0, max: 4, bad_rows: 2 },
    rows: { total: 3, counted: 3 },
  });
  expect(answer.locations).toContainEqual(expect.objectContaining({ row: 0 }));
  expect(answer.columns.bad).toBe(2);
});

test('rows that the mask leaves out are counted apart', async () => {
  const { answer } = await evaluated(DIAGNOSIS, ROWS, { input_mask: [0, 0, 1] });
  expect(answer).toMatchObject({ verdict: 'finite', rows: { counted: 1, masked: 2 }, masked_rows_non_finite: 2 });
});

test('labels are optional, and need not be classes', async () => {
  const { answer } = await evaluated(DIAGNOSIS, ROWS, { label: [9, 0, -1] });
  expect(answer.values.nan).toBe(1);
});
