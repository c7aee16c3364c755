import { expect, test } from 'vitest';
import { KERNEL_DTYPES } from '../../src/tensor/dtype.ts';
import { decode, encode, seededRandom } from '../rows.ts';
import { MSGPACK, Service } from '../service.ts';

const service = Service.start({ workers: 2, slabBytes: 4096, inlineLogits: 0 });
const diagnose = async (request: object, type?: string) =>
  (await service.post(request, { path: '/v1/diagnose', ...(type !== undefined && { type }) })) as unknown as {
    status: number;
    body: Record<string, unknown>;
  };

test.each(KERNEL_DTYPES)('counts, extremes, norms and magnitudes of %s are those of a plain loop', async (dtype) => {
  const [rows, classes] = [60, 300];
  const random = seededRandom(7);
  const values = Array.from({ length: rows * classes }, () => (random() - 0.5) * 2 ** Math.floor(random() * 12));
  const bad: [at: number, value: number][] = [
    [5 * classes + 7, Number.NaN],
    [5 * classes + 8, Infinity],
    [59 * classes + 7, -Infinity],
    [40 * classes, 0],
  ];
  for (const [at, value] of bad) values[at] = value;
  const data = encode(dtype, values);
  const { status, body } = await diagnose({ logits: { dtype, shape: [rows, classes], data } }, MSGPACK);
  const stored = Array.from(decode(dtype, data));
  const finite = stored.filter(Number.isFinite);
  const magnitudes = new Map<number, number>();
  for (const x of finite) {
    const exponent = Math.floor(Math.log2(Math.abs(x)));
    if (x !== 0) magnitudes.set(exponent, (magnitudes.get(exponent) ?? 0) + 1);
  }
  const norms = Array.from({ length: rows }, (_, row) =>
    Math.sqrt(
      stored
        .slice(row * classes, (row + 1) * classes)
        .filter(Number.isFinite)
        .reduce((sum, x) => sum + x * x, 0),
    ),
  );
  const largest = Math.max(...norms);
  expect(status).toBe(200);
  expect(body).toMatchObject({
    verdict: 'non_finite',
    rows: { total: rows, counted: rows, ignored: 0, masked: 0 },
    values: {
      ...{ total: rows * classes, nan: 1, pos_inf: 1, neg_inf: 1, bad_rows: 2 },
      ...{ zero: finite.filter((x) => x === 0).length, min: Math.min(...finite), max: Math.max(...finite) },
    },
    magnitudes: [...magnitudes].toSorted(([a], [b]) => a - b).map(([exponent, count]) => ({ exponent, count })),
    row_norms: { largest: { row: norms.indexOf(largest), norm: expect.closeTo(largest, 6) as number } },
    columns: {
      bad: 2,
      bad_in_most_rows: 0,
      worst: [
        { column: 7, rows: 2 },
        { column: 8, rows: 1 },
      ],
    },
    locations: [
      { row: 5, column: 7 },
      { row: 5, column: 8 },
      { row: 59, column: 7 },
    ],
  });
});

test('a class that is bad in most rows is a hot spot, and rows that are left out are told apart', async () => {
  const logits = [
    [1, 'NaN', 3],
    [1, 'NaN', 3],
    ['NaN', 2, 3],
    [1, 2, 3],
    [1, 'NaN', 3],
  ];
  const { body } = await diagnose({ logits, input_mask: [1, 1, 0, 1, 1] });
  expect(body).toMatchObject({
    summary:
      'NaN in 3 of 4 rows; first at row 0, class 1 (not the label); class 1 is not finite in 3 of 4 rows; finite values are within [1, 3]',
    rows: { total: 5, counted: 4, masked: 1 },
    columns: { bad: 1, bad_in_most_rows: 1, worst: [{ column: 1, rows: 3 }] },
    masked_rows_non_finite: 1,
  });
});

test('a vector is one row, and a label is welcome', async () => {
  expect((await diagnose({ logits: [3, 4] })).body).toMatchObject({
    verdict: 'finite',
    summary: 'every value is finite, within [3, 4]',
    row_norms: { smallest: { row: 0, norm: 5 }, largest: { row: 0, norm: 5 } },
  });
  const labelled = await diagnose({ logits: [[1, 'NaN']], label: [1] });
  expect(labelled.body).toMatchObject({ causes: [{ cause: 'nan_logit', first: { column: 1, is_label: true } }] });
});

test('float16 that overflowed is told so, exactly', async () => {
  const logits = { dtype: 'float16', shape: [2, 2], data: encode('float16', [65504, Infinity, 2 ** -20, 1]) };
  const expected = { at_largest: 1, subnormal_fraction: 0.25, hint: expect.stringContaining('overflow') as string };
  expect((await diagnose({ logits }, MSGPACK)).body).toMatchObject({ float16: expected });
  const { body } = await service.post({ label: [0, 1], logits }, { type: MSGPACK });
  expect(body.diagnostics.float16).toEqual(expected);
});

test('norms at the ends of float64, float16 overflow of either sign and −Inf at a given label are told', async () => {
  const norms = { dtype: 'float64', shape: [3, 2], data: [3e-200, 4e-200, 0, 0, 3e300, 4e300] };
  expect((await diagnose({ logits: norms })).body).toMatchObject({
    row_norms: {
      smallest: { row: 1, norm: 0 },
      largest: { row: 2, norm: expect.closeTo(5e300, -290) as number },
    },
  });
  const tiny = { dtype: 'float64', shape: [2, 2], data: [3e-200, 4e-200, 1e-250, 0] };
  expect((await diagnose({ logits: tiny })).body).toMatchObject({ row_norms: { smallest: { row: 1, norm: 1e-250 } } });
  const negative = { dtype: 'float16', shape: [1, 3], data: [1, -65504, '-Infinity'] };
  expect((await diagnose({ logits: negative })).body).toMatchObject({
    summary: expect.stringContaining('overflow of float16') as string,
    float16: { at_largest: 1, hint: expect.any(String) as string },
  });
  const labelled = { logits: [[1, '-Infinity']], label: [1] };
  expect((await diagnose(labelled)).body).toMatchObject({ causes: [{ cause: 'neg_inf_at_label', rows: 1 }] });
});

test('what has no last axis, or is wrong otherwise, is refused', async () => {
  expect((await diagnose({ logits: { dtype: 'float32', shape: [], data: [1] } })).body).toMatchObject({
    code: 'shape_mismatch',
  });
  expect((await diagnose({ label: [1] })).body).toMatchObject({ code: 'missing_field' });
  expect((await diagnose({ logits: [[1]], optoins: {} })).body).toMatchObject({ code: 'unknown_field' });
});
