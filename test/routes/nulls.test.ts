/** null in place of a number: some JSON writers write it for NaN and for missing values. */
import { describe, expect, test } from 'vitest';
import { JSON_TYPE, MSGPACK, Service } from '../service.ts';

const service = Service.shared();

/** White space that makes a text small, to be read in place, or large, to be read on a thread. */
const SIZES = { small: '', large: ' '.repeat(300_000) };

const post = (fields: object, spaces: string, path = '/v1/cross-entropy'): ReturnType<Service['post']> =>
  service.post(JSON.stringify(fields).replace('{', `{${spaces}`), { path });

describe.each(Object.entries(SIZES))('in a %s text', (_name, spaces) => {
  test.each([
    [
      [
        [1, null, 3],
        [1, 2, 3],
      ],
    ],
    [{ dtype: 'float32', shape: [2, 3], data: [1, null, 3, 1, 2, 3] }],
    [
      {
        dtype: 'bfloat16',
        data: [
          [1, null, 3],
          [1, 2, 3],
        ],
      },
    ],
  ])('null in the logits is NaN, and counted: %j', async (logits) => {
    const { status, body } = await post({ logits, label: [0, 1] }, spaces);
    expect(status).toBe(200);
    expect(body).toMatchObject({ loss: 'NaN', diagnostics: { nulls: 1, logits: { nan: 1 } } });
    expect(body.diagnostics.locations).toMatchObject([{ row: 0, column: 1, value: 'NaN' }]);
    expect(body.diagnostics.summary).toContain('1 null read as NaN');
  });

  test('null and the words for NaN stand side by side', async () => {
    const text = `{${spaces}"logits":[[NaN,null,3,-Infinity],["NaN", null ,1e1,Infinity]],"label":[2,2]}`;
    const { body } = await service.post(text);
    expect(body.diagnostics).toMatchObject({ nulls: 2, logits: { nan: 4, pos_inf: 1, neg_inf: 1, max: 10 } });
  });

  test('null among class probabilities is NaN, and counted', async () => {
    const { body } = await post({ logits: [[1, 2]], label: [[1, null]] }, spaces);
    expect(body.diagnostics).toMatchObject({ nulls: 1, causes: [{ cause: 'non_finite_probability' }] });
  });

  test('null in a row that is left out does not touch the loss', async () => {
    const request = {
      logits: [
        [1, null],
        [1, 1],
      ],
      label: [0, 1],
      input_mask: [0, 1],
    };
    const { body } = await post(request, spaces);
    expect(body.loss).toBeCloseTo(Math.LN2, 7);
    expect(body.diagnostics).toMatchObject({ nulls: 1, masked_rows_non_finite: 1 });
  });

  test.each([
    ['label', { label: [0, null] }, 'label'],
    ['integers', { label: { dtype: 'int64', data: [0, null] } }, 'entry 1 of label is null, expected an integer'],
    ['a mask', { input_mask: [null, 1] }, 'entry 0 of input_mask is null, expected a number'],
    ['weights', { weight: [1, null] }, 'entry 1 of weight is null, expected a number'],
  ])('null is refused in %s', async (_where, fields, says) => {
    const { status, body } = await post(
      {
        logits: [
          [1, 2],
          [3, 4],
        ],
        label: [0, 1],
        ...fields,
      },
      spaces,
    );
    expect(status).toBe(422);
    expect(body.detail).toContain(says);
    expect(body.detail).toContain('null');
  });

  test('a diagnosis counts nulls', async () => {
    const { body } = await post({ logits: [[1, null, null]] }, spaces, '/v1/diagnose');
    expect(body).toMatchObject({ nulls: 2, values: { nan: 2 } });
  });

  test('Open Inference counts nulls', async () => {
    const inputs = [
      { name: 'label', datatype: 'INT64', shape: [1], data: [0] },
      { name: 'logits', datatype: 'FP32', shape: [1, 2], data: [1, null] },
    ];
    const { status, body } = await post({ inputs }, spaces, '/v2/models/cross_entropy/infer');
    expect(status).toBe(200);
    expect(JSON.stringify(body)).toMatch(/\\?"nulls\\?":1/);
  });

  test('shards of the vocabulary count nulls', async () => {
    const shard = (logits: unknown, vocab_start: number): ReturnType<Service['post']> =>
      post({ logits, label: [0], vocab_start, vocab_size: 4 }, spaces, '/v1/cross-entropy/partials');
    const partials = [(await shard([[1, null]], 0)).body, (await shard([[null, null]], 2)).body];
    const { body } = await service.post({ partials }, { path: '/v1/cross-entropy/combine' });
    expect(body.diagnostics).toMatchObject({ nulls: 3, logits: { nan: 3 } });
  });
});

test('without nulls nothing is said of them', async () => {
  const { body } = await service.post({ logits: [['NaN', 1]], label: [0] });
  expect(body.diagnostics).not.toHaveProperty('nulls');
});

test('nobody but the service says how many there are', async () => {
  const logits = { dtype: 'float32', shape: [1, 1], data: { bytes: Buffer.alloc(4), facts: [1, 7] } };
  for (const type of [JSON_TYPE, MSGPACK]) {
    expect((await service.post({ label: [0], logits }, { type })).status).toBe(422);
  }
});

describe('an option that is null', () => {
  const batch = { logits: [[1, 2]], label: [0] };

  test.each([JSON_TYPE, MSGPACK])('is absent, in %s', async (type) => {
    const options = {
      ...{ reduction: null, softcap: null, semantics: null, outputs: null, ignore_index: null },
      parallel_config: { data_parallel: null, model_parallel: 2 },
    };
    const given = await service.post({ ...batch, options }, { type });
    expect(given.status).toBe(200);
    expect(given.body.loss).toBe((await service.post(batch)).body.loss);
  });

  test('is absent where it may not be given', async () => {
    const { status } = await service.post({ ...batch, label: [[0.5, 0.5]], options: { ignore_index: null } });
    expect(status).toBe(200);
  });

  test('is unknown where its name is', async () => {
    const { status, body } = await service.post({ ...batch, options: { reducton: null } });
    expect([status, body.code, body.detail]).toEqual([422, 'invalid_option', expect.stringContaining('reduction')]);
  });

  test('changes nothing of partials', async () => {
    const path = '/v1/cross-entropy/partials';
    const request = { ...batch, vocab_start: 0, vocab_size: 2, options: { reduction: 'sum' } };
    const { body: partial } = await service.post(request, { path });
    const combined = await service.post(
      { partials: [partial], options: { reduction: null, softcap: null } },
      { path: '/v1/cross-entropy/combine' },
    );
    expect(combined.body.loss).toBeCloseTo(Math.log(1 + Math.E), 6);
  });
});
