import { describe, expect, test } from 'vitest';
import { MSGPACK, Service } from '../service.ts';
import { LABEL, LOGITS } from './known-batch.ts';

const service = Service.shared();

describe('diagnostics', () => {
  test('say which rows, classes and causes make a loss non-finite', async () => {
    const logits = [
      [0, 1, 2],
      ['NaN', 1, 'NaN'],
      [0, 'Infinity', 0],
      ['-Infinity', '-Infinity', '-Infinity'],
      [0, '-Infinity', 0],
      [0, '-Infinity', 0],
    ];
    const { body } = await service.post({ logits, label: [0, 1, 1, 2, 1, 0] });
    expect(body.loss).toBe('NaN');
    expect(body.diagnostics).toEqual({
      verdict: 'non_finite',
      summary:
        'NaN in 1 of 6 rows; first at row 1, class 0 (not the label); Infinity in 1 of 6 rows; first at row 2, class 1 (the label); every logit is -Infinity in 1 of 6 rows; first at row 3; -Infinity at the label in 1 of 6 rows; first at row 4, class 1',
      causes: [
        { cause: 'nan_logit', rows: 1, first: { row: 1, column: 0, value: 'NaN', is_label: false, masked: false } },
        {
          cause: 'pos_inf_logit',
          rows: 1,
          first: { row: 2, column: 1, value: 'Infinity', is_label: true, masked: false },
        },
        {
          cause: 'all_neg_inf_row',
          rows: 1,
          first: { row: 3, column: 0, value: '-Infinity', is_label: false, masked: false },
        },
        {
          cause: 'neg_inf_at_label',
          rows: 1,
          first: { row: 4, column: 1, value: '-Infinity', is_label: true, masked: false },
        },
      ],
      logits: { nan: 2, pos_inf: 1, neg_inf: 5, max: 2, bad_rows: 5 },
      labels: { min: 0, max: 2, out_of_range: 0 },
      worst_rows: [
        { row: 1, label: 1, loss: 'NaN', target_rank: -1 },
        { row: 2, label: 1, loss: 'NaN', target_rank: 0 },
        { row: 3, label: 2, loss: 'NaN', target_rank: 2 },
        { row: 4, label: 1, loss: 'Infinity', target_rank: 2 },
        { row: 0, label: 0, loss: expect.closeTo(2.4076, 3) as number, target_rank: 2 },
      ],
      locations: [
        { row: 1, column: 0, value: 'NaN', is_label: false, masked: false },
        { row: 1, column: 2, value: 'NaN', is_label: false, masked: false },
        { row: 2, column: 1, value: 'Infinity', is_label: true, masked: false },
        { row: 3, column: 0, value: '-Infinity', is_label: false, masked: false },
        { row: 3, column: 1, value: '-Infinity', is_label: false, masked: false },
        { row: 3, column: 2, value: '-Infinity', is_label: true, masked: false },
        { row: 4, column: 1, value: '-Infinity', is_label: true, masked: false },
        { row: 5, column: 1, value: '-Infinity', is_label: false, masked: false },
      ],
      masked_rows_non_finite: 0,
    });
  });

  test('no more than 16 places are named', async () => {
    const logits = Array.from({ length: 5 }, () => ['NaN', 'NaN', 'NaN', 'NaN', 1]);
    const { body } = await service.post({ logits, label: [4, 4, 4, 4, 4] });
    expect(body.diagnostics.locations).toHaveLength(16);
    expect(body.diagnostics.locations.at(-1)).toMatchObject({ row: 3, column: 3 });
    expect(body.diagnostics.logits.nan).toBe(20);
  });

  test('finite rows whose sum overflows are told apart', async () => {
    const logits = { dtype: 'float64', shape: [3, 2], data: [0, 1.7e308, 0, 1.7e308, 0, 1.7e308] };
    const { body } = await service.post({ logits, label: [0, 0, 0] });
    expect(body.loss).toBe('Infinity');
    expect(body.diagnostics.causes).toEqual([{ cause: 'accumulation_overflow', rows: 0 }]);
  });
});

test('a finite row whose loss overflows is named by its cause', async () => {
  const logits = { dtype: 'float64', shape: [1, 2], data: [-1.7e308, 1.7e308] };
  const { body } = await service.post({ logits, label: [0] });
  expect(body.loss).toBe('Infinity');
  expect(body.diagnostics.causes).toEqual([{ cause: 'accumulation_overflow', rows: 1 }]);
});

test('an invalid label under zero_loss has loss 0 whatever its logits hold, and the diagnostics still tell', async () => {
  const options = { invalid_label: 'zero_loss', ignore_index: [] };
  const { body } = await service.post({
    logits: [
      ['NaN', 1],
      [0, 0],
    ],
    label: [7, 0],
    options,
  });
  expect(body.numerator).toBeCloseTo(Math.LN2, 12);
  expect(body.diagnostics).toMatchObject({ verdict: 'finite', logits: { nan: 1, bad_rows: 1 } });
});

describe('on_non_finite reject', () => {
  const options = { on_non_finite: 'reject' };

  test('refuses a loss that is not finite, with its cause and the first place', async () => {
    const logits = [
      [1, 2, 3],
      [1, 2, 'NaN'],
      ['NaN', 2, 3],
      [0, 'Infinity', 0],
    ];
    const { status, type, body } = await service.post({ logits, label: [0, 0, 0, 0], options });
    expect([status, type, body.code]).toEqual([422, 'application/problem+json', 'non_finite_loss']);
    expect(body.detail).toBe(
      'the loss is NaN: NaN in 2 of 4 rows; first at row 1, class 2 (not the label); Infinity in 1 of 4 rows; first at row 3, class 1 (not the label)',
    );
  });

  test('names a label of the logit −Inf', async () => {
    const request = { logits: [[0, '-Infinity']], label: [1], options };
    const { status, body } = await service.post(request, { headers: { accept: MSGPACK } });
    expect([status, body.code]).toEqual([422, 'non_finite_loss']);
    expect(body.detail).toEqual(
      expect.stringMatching(/^the loss is Infinity: -Infinity at the label in 1 of \d rows?; first at row 0, class 1$/),
    );
  });

  test('is about the numerator where there is no loss', async () => {
    const request = { logits: [['NaN', 1]], label: [1] };
    for (const without of [{ calculate_per_token_loss: true }, { reduction: 'none' }]) {
      const { status, body } = await service.post({ ...request, options: { ...options, ...without } });
      expect([status, body.code]).toEqual([422, 'non_finite_loss']);
    }
  });

  test('refuses a torch mean of nothing', async () => {
    const request = { logits: LOGITS, label: [-100, -100, -100] };
    const { status, body } = await service.post({ ...request, options: { ...options, semantics: 'torch' } });
    expect([status, body.detail]).toEqual([422, 'the loss is NaN: nothing is counted: the denominator is 0']);
    expect((await service.post({ ...request, options })).status).toBe(200);
  });

  test('answers a finite loss, and NaN in a row that is left out', async () => {
    expect((await service.post({ logits: LOGITS, label: LABEL, options })).status).toBe(200);
    const masked = {
      logits: [...LOGITS, [0, 0, 'NaN', 0, 0]],
      label: [...LABEL, 0],
      input_mask: [1, 1, 1, 0],
      options,
    };
    expect((await service.post(masked)).status).toBe(200);
  });

  test('is not the default', async () => {
    expect((await service.post({ logits: [['NaN', 1]], label: [0] })).status).toBe(200);
  });
});
