import { describe, expect, test } from 'vitest';
import { MSGPACK, Service, encodeRequest } from '../service.ts';

const service = Service.start();

interface Answered {
  status: number;
  body: Record<string, unknown> & { code?: string; detail?: string };
}

async function call(method: string, path: string, body?: unknown, type = 'application/json'): Promise<Answered> {
  const response = await fetch(service.url + path, {
    method,
    ...(body !== undefined && {
      headers: { 'content-type': type },
      body: encodeRequest(body, type) as NonNullable<RequestInit['body']>,
    }),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? {} : (JSON.parse(text) as Answered['body']) };
}

const record = (run: string, step: number, rank: number, body: unknown, query = ''): Promise<Answered> =>
  call('PUT', `/v1/runs/${run}/steps/${step}/ranks/${rank}${query}`, body);

const pair = (numerator: number | string, denominator: number) => ({ numerator, denominator });
const BATCH = {
  logits: [
    [1, 2, 3],
    [0, 1, 0],
  ],
  label: [2, 0],
};

describe('recording', () => {
  test('evaluates, answers 201 the first time and 200 for the same again, with the evaluation', async () => {
    const evaluation = (await call('POST', '/v1/cross-entropy', BATCH)).body;
    const first = await record('batch', 7, 3, BATCH);
    expect(first.status).toBe(201);
    const { diagnostics, ...others } = evaluation as { diagnostics: object };
    expect(first.body).toEqual({
      ...others,
      diagnostics: { ...diagnostics, summary: 'step 7, rank 3: the loss is finite' },
    });
    const again = await call('PUT', '/v1/runs/batch/steps/7/ranks/3', BATCH, MSGPACK);
    expect([again.status, again.body]).toEqual([200, first.body]);
    expect((await call('GET', '/v1/runs/batch')).body).toMatchObject({ batches: 1, steps: 1, ranks: 4 });
  });

  test.each([
    [
      'other logits',
      {
        ...BATCH,
        logits: [
          [1, 2, 3.5],
          [0, 1, 0],
        ],
      },
    ],
    ['other labels of the same loss', { logits: BATCH.logits, label: [2, 2] }],
    ['another mask', { ...BATCH, input_mask: [1, 0] }],
    ['other options', { ...BATCH, options: { semantics: 'torch' } }],
    ['its pair', pair(2, 2)],
  ])('answers 409 to %s, and keeps what was recorded', async (_what, other) => {
    await record('conflicts', 1, 0, BATCH);
    const before = await call('GET', '/v1/runs/conflicts/steps/1');
    const { status, body } = await record('conflicts', 1, 0, other);
    expect([status, body.code]).toEqual([409, 'conflict']);
    expect(body.detail).toContain('micro-batch 0 of rank 0 at step 1 of conflicts, attempt 0');
    expect(await call('GET', '/v1/runs/conflicts/steps/1')).toEqual(before);
  });

  test.each([
    [
      { label_smoothing: 0.1, semantics: 'torch' },
      { semantics: 'torch', label_smoothing: 0.1 },
    ],
    [{ ignore_index: -100 }, { ignore_index: [-100] }],
    [{ ignore_index: [1, -100] }, { ignore_index: [-100, 1, 1] }],
    [{}, { outputs: ['lse', 'entropy'], metrics: ['accuracy', 'ece'], max_locations: 3 }],
    [{}, { check_for_nan_in_loss_and_grad: true, on_non_finite: 'reject' }],
  ])('%j and %j are the same content', async (options, same) => {
    const run = `same-${JSON.stringify([options, same])
      .replaceAll(/[^a-z0-9]/g, '')
      .slice(0, 100)}`;
    expect((await record(run, 1, 0, { ...BATCH, options })).status).toBe(201);
    expect((await record(run, 1, 0, { ...BATCH, options: same })).status).toBe(200);
  });

  test('pairs of the same numbers in another form are the same content', async () => {
    for (const [step, one, same] of [
      [1, pair(0, 3), { numerator: -0, denominator: 3 }],
      [2, pair('NaN', 3), { numerator: Number.NaN, denominator: 3, label: null, options: null }],
    ] as const) {
      expect((await record('forms', step, 0, one)).status).toBe(201);
      expect((await call('PUT', `/v1/runs/forms/steps/${step}/ranks/0`, same, MSGPACK)).status).toBe(200);
    }
  });

  test('takes a pair in JSON and in MessagePack', async () => {
    const { status, body } = await record('pairs', 1, 0, pair(3, 2));
    expect([status, body]).toEqual([
      201,
      {
        loss: 1.5,
        numerator: 3,
        denominator: 2,
        diagnostics: { verdict: 'finite', summary: 'step 1, rank 0: the loss is finite', causes: [] },
      },
    ]);
    const packed = await call('PUT', '/v1/runs/pairs/steps/1/ranks/0', pair(3, 2), MSGPACK);
    expect(packed.status).toBe(200);
    expect((await record('pairs', 2, 0, pair('NaN', 2))).body).toMatchObject({
      loss: 'NaN',
      diagnostics: { verdict: 'non_finite', summary: 'step 2, rank 0: the pair is NaN / 2' },
    });
  });

  test.each([
    [{ numerator: 1 }, 'missing_field', 'denominator is missing'],
    [{}, 'missing_field', 'numerator is missing'],
    [pair(1, -1), 'invalid_pair', 'denominator is -1'],
    [{ numerator: 'one', denominator: 1 }, 'invalid_pair', 'numerator is "one"'],
    [{ ...pair(1, 1), options: {} }, 'invalid_pair', 'options apply to logits only'],
    [{ ...BATCH, numerator: 1 }, 'unknown_field', 'numerator is given with logits'],
    [{ ...pair(1, 1), denominater: 1 }, 'unknown_field', 'did you mean denominator?'],
    [{ label: [1] }, 'missing_field', 'logits is missing'],
  ])('refuses %j', async (body, code, says) => {
    const answer = await record('refused', 1, 0, body);
    expect([answer.status, answer.body.code]).toEqual([422, code]);
    expect(answer.body.detail).toContain(says);
    expect((await call('GET', '/v1/runs/refused')).status).toBe(404);
  });

  test.each([
    ['/v1/runs/a%0Ab/steps/1/ranks/0', '/run'],
    ['/v1/runs/a/steps/-1/ranks/0', '/step'],
    ['/v1/runs/a/steps/x/ranks/0', '/step'],
    ['/v1/runs/a/steps/1/ranks/1.5', '/rank'],
    ['/v1/runs/a/steps/1/ranks/0?micro_batch=-1', '/micro_batch'],
    ['/v1/runs/a/steps/1/ranks/0?atempt=1', '/atempt'],
  ])('refuses %s', async (path, pointer) => {
    const { status, body } = await call('PUT', path, pair(1, 1));
    expect([status, body.code]).toEqual([400, 'bad_request']);
    expect(body['errors']).toMatchObject([{ pointer }]);
  });

  test('does not record what on_non_finite rejects', async () => {
    const request = { logits: [['NaN', 0]], label: [0], options: { on_non_finite: 'reject' } };
    expect((await record('rejected', 1, 0, request)).status).toBe(422);
    expect((await call('GET', '/v1/runs/rejected')).status).toBe(404);
  });
});

describe('a micro-batch in which nothing counts', () => {
  const nothing = { loss: 0, diagnostics: { verdict: 'finite', causes: [{ cause: 'zero_denominator' }] } };

  test('is nothing wrong, whether it is evaluated or a pair, alone or beside others', async () => {
    const masked = await record('empty', 1, 0, { logits: [[1, 2]], label: [0], input_mask: [0] });
    expect(masked.body).toMatchObject(nothing);
    expect((await record('empty', 2, 0, pair(0, 0))).body).toMatchObject(nothing);
    await record('empty', 2, 1, pair(6, 2));
    await record('empty', 3, 1, pair(8, 2));
    expect((await call('GET', '/v1/runs/empty/steps')).body['steps']).toMatchObject([
      { step: 1, loss: 'NaN', denominator: 0, non_finite: false },
      { step: 2, loss: 3, non_finite: false, ranks: 2, rank_losses: { min: 3, max: 3 } },
      { step: 3, loss: 4 },
    ]);
    expect((await call('GET', '/v1/runs/empty')).body).toMatchObject({ non_finite_steps: 0, best_step: 2 });
  });

  test('is something wrong when its numerator is not 0, or a denominator is not finite', async () => {
    for (const [step, body] of [pair(1, 0), { numerator: 1, denominator: 'Infinity' }].entries()) {
      expect((await record('wrong', step, 0, body)).body).toMatchObject({ diagnostics: { verdict: 'non_finite' } });
    }
    expect((await call('GET', '/v1/runs/wrong')).body).toMatchObject({ non_finite_steps: 2 });
  });
});

describe('attempts', () => {
  test('a step is made of its highest attempt, and a lower one that is late is superseded', async () => {
    for (const rank of [0, 1]) await record('resumed', 5, rank, pair(10, 2));
    expect((await call('GET', '/v1/runs/resumed/steps/5')).body).toMatchObject({ loss: 5, attempt: 0, complete: true });
    expect((await record('resumed', 5, 0, pair(4, 2), '?attempt=1')).status).toBe(201);
    expect((await call('GET', '/v1/runs/resumed/steps/5')).body).toMatchObject({
      ...{ loss: 2, attempt: 1, complete: false, ranks: 1, missing_ranks: [1] },
    });
    const late = await record('resumed', 5, 1, pair(10, 2));
    expect([late.status, late.body.code]).toEqual([409, 'superseded']);
  });

  test('a run that resumed is where its newest attempt is, in all that is said of it', async () => {
    for (let step = 0; step <= 30; step++) await record('back', step, 0, pair(step === 30 ? 'NaN' : 9, 1));
    for (let step = 20; step <= 24; step++) await record('back', step, 0, pair(step / 10, 1), '?attempt=1');
    expect((await call('GET', '/v1/runs/back')).body).toMatchObject({
      ...{ steps: 25, non_finite_steps: 0, last_step: 24, last_loss: 2.4, best_step: 20 },
    });
    const { steps } = (await call('GET', '/v1/runs/back/steps?max_points=100')).body as { steps: { step: number }[] };
    expect(steps.map(({ step }) => step)).toEqual(Array.from({ length: 25 }, (_, step) => step));
    expect((await call('GET', '/v1/runs/back/steps/30')).status).toBe(404);
    const metrics = await (await fetch(`${service.url}/metrics`)).text();
    expect(metrics).toContain('lossmeter_run_last_step{run="back"} 24');
    expect(metrics).toContain('lossmeter_run_last_loss{run="back"} 2.4');
    const late = await record('back', 31, 0, pair(1, 1));
    expect([late.status, late.body.code]).toEqual([409, 'superseded']);
    expect(late.body.detail).toContain('a later attempt is recorded at this step, or at an earlier step');
  });
});

describe('steps', () => {
  test('are the sums of ranks and micro-batches, with each rank’s local loss and diagnostics', async () => {
    const bad = {
      logits: [
        ['NaN', 0, 0],
        [0, 0, 0],
      ],
      label: [1, 1],
    };
    await record('detail', 3, 1, bad, '?micro_batch=1');
    await record('detail', 3, 1, pair(4, 2));
    await record('detail', 3, 0, pair(6, 2));
    const { body } = await call('GET', '/v1/runs/detail/steps/3');
    expect(body).toMatchObject({
      ...{ run: 'detail', step: 3, loss: 'NaN', numerator: 'NaN', denominator: 6, non_finite: true },
      ...{ complete: true, ranks: 2, rank_losses: { min: 3, max: 3 }, causes: ['nan_logit'] },
      summary: 'step 3, rank 1: NaN in 1 of 2 rows; first at row 0, class 0 (not the label)',
      rank_details: [
        { rank: 0, loss: 3, micro_batches: [{ micro_batch: 0, loss: 3 }] },
        {
          rank: 1,
          loss: 'NaN',
          micro_batches: [
            { micro_batch: 0, loss: 2, diagnostics: { verdict: 'finite' } },
            { micro_batch: 1, diagnostics: { causes: [{ cause: 'nan_logit', rows: 1 }], logits: { nan: 1 } } },
          ],
        },
      ],
    });
  });

  test('are complete when the expected ranks reported', async () => {
    expect(
      (await call('PUT', '/v1/runs/expected', { expected_ranks: 3, labels: { lr: 0.1, model: 'a' } })).status,
    ).toBe(201);
    for (const rank of [0, 2]) await record('expected', 1, rank, pair(1, 1));
    expect((await call('GET', '/v1/runs/expected/steps/1')).body).toMatchObject({
      complete: false,
      missing_ranks: [1],
    });
    await record('expected', 1, 1, pair(1, 1));
    expect((await call('GET', '/v1/runs/expected/steps/1')).body).toMatchObject({ complete: true, missing_ranks: [] });
    const stray = await record('expected', 1, 3, pair(1, 1));
    expect([stray.status, stray.body.code]).toEqual([422, 'rank_unexpected']);
    const changed = await call('PUT', '/v1/runs/expected', { expected_ranks: 4 });
    expect([changed.status, changed.body]).toMatchObject([200, { expected_ranks: 4, labels: { lr: 0.1, model: 'a' } }]);
  });

  test('come in pages, in a range, and down-sampled without losing what is not finite', async () => {
    for (let step = 0; step < 300; step++) {
      await record('curve', step, 0, pair(step === 123 ? 'NaN' : step === 200 ? 90 : 5 - step / 100, 1));
    }
    const pages: { steps: { step: number }[]; next?: string }[] = [];
    for (let cursor = ''; ;) {
      const { body } = await call('GET', `/v1/runs/curve/steps?limit=128${cursor}`);
      pages.push(body as unknown as (typeof pages)[number]);
      const { next } = pages.at(-1)!;
      if (next === undefined) break;
      cursor = `&cursor=${next}`;
    }
    expect(pages.map(({ steps }) => steps.length)).toEqual([128, 128, 44]);
    expect(pages.flatMap(({ steps }) => steps.map(({ step }) => step))).toEqual(
      Array.from({ length: 300 }, (_, k) => k),
    );
    const range = (await call('GET', '/v1/runs/curve/steps?from=122&to=124')).body['steps'];
    expect(range).toMatchObject([
      { step: 122, loss: 3.7800000000000002, non_finite: false },
      { step: 123, loss: 'NaN', non_finite: true, spike: false },
      { step: 124 },
    ]);
    const sampled = (await call('GET', '/v1/runs/curve/steps?max_points=20')).body['steps'] as {
      step: number;
      spike: boolean;
    }[];
    expect(sampled.length).toBeLessThanOrEqual(24);
    expect(sampled.map(({ step }) => step)).toEqual(expect.arrayContaining([0, 123, 200, 299]));
    expect(sampled.filter(({ spike }) => spike)).toMatchObject([{ step: 200 }]);
    expect((await call('GET', '/v1/runs/curve')).body).toMatchObject({
      ...{ steps: 300, non_finite_steps: 1, last_step: 299, best_step: 299, status: 'active' },
    });
  });
});

describe('runs', () => {
  test('are listed newest first, in pages, and can be deleted', async () => {
    for (const name of ['list-a', 'list-b', 'list-c']) await record(name, 1, 0, pair(1, 1));
    const first = (await call('GET', '/v1/runs?limit=2')).body as { runs: { run: string }[]; next: string };
    expect(first.runs.map(({ run }) => run)).toEqual(['list-c', 'list-b']);
    const second = (await call('GET', `/v1/runs?limit=1&cursor=${first.next}`)).body as typeof first;
    expect(second.runs.map(({ run }) => run)).toEqual(['list-a']);
    expect((await call('DELETE', '/v1/runs/list-b')).status).toBe(204);
    expect((await call('DELETE', '/v1/runs/list-b')).status).toBe(404);
    expect((await call('GET', '/v1/runs/list-b/steps')).body.code).toBe('not_found');
  });

  test.each([
    [{ labels: { 'a b': 1 } }, '/labels'],
    [{ labels: { a: [] } }, '/labels/a'],
    [{ expected_ranks: 0 }, '/expected_ranks'],
    [{ expectedRanks: 1 }, ''],
  ])('metadata %j is refused', async (metadata, pointer) => {
    const { status, body } = await call('PUT', '/v1/runs/metadata', metadata);
    expect([status, body.code]).toEqual([422, 'invalid_metadata']);
    expect((body['errors'] as { pointer: string }[]).some((place) => place.pointer.startsWith(pointer))).toBe(true);
  });

  test('are exported as CSV and JSON Lines, by step and by batch', async () => {
    await record('export', 1, 0, pair(3, 2));
    await record('export', 2, 0, { logits: [['NaN', 0]], label: [0] });
    const read = async (query: string) => (await fetch(`${service.url}/v1/runs/export/export${query}`)).text();
    const csv = (await read('')).split('\r\n');
    expect(csv[0]).toBe(
      'step,loss,numerator,denominator,complete,non_finite,spike,ranks,attempt,causes,summary,recorded_at',
    );
    expect(csv[1]).toMatch(/^1,1\.5,3,2,true,false,false,1,0,,,20/);
    expect(csv[2]).toMatch(/^2,NaN,NaN,1,true,true,false,1,0,nan_logit,"step 2, rank 0: NaN in 1 of 1 row; first/);
    const lines = (await read('?format=jsonl&of=batches'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(lines).toMatchObject([
      { step: 1, rank: 0, micro_batch: 0, loss: 1.5, verdict: 'finite' },
      { step: 2, loss: 'NaN', verdict: 'non_finite' },
    ]);
  });

  test('are exported with an exponent where a whole number is beyond 2^53', async () => {
    await record('large', 1, 0, pair(7.7899148223310176e16, 1));
    const read = async (query: string) => (await fetch(`${service.url}/v1/runs/large/export${query}`)).text();
    expect((await read('')).split('\r\n')[1]).toMatch(/^1,7\.789914822331018e\+16,7\.789914822331018e\+16,1,/);
    expect(await read('?format=jsonl')).toContain('"loss":7.789914822331018e+16,');
    const { body } = await call('GET', '/v1/runs/large');
    expect(body['last_loss']).toBe(7.7899148223310176e16);
  });
});
