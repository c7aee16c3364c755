import { readFileSync } from 'node:fs';
import { expect, onTestFinished, test, vi } from 'vitest';
import manifest from '#manifest' with { type: 'json' };
import { Client, ProblemError, arrayOf, tensor } from '../../../clients/typescript/src/index.ts';
import type { ComparedSequence, RunEvent, SequenceEvaluation } from '../../../clients/typescript/src/index.ts';
import { parseAnswer } from '../../../clients/typescript/src/json.ts';
import { NAMES } from '../../runs/names.ts';
import { Service } from '../../service.ts';

const service = Service.start();
const client = (): Client => new Client({ url: service.url });

const LOGITS = new Float32Array([1, 2, 3, 0.5, 0.25, 0]);
const BATCH = { logits: tensor(LOGITS, [2, 3]), label: tensor(new Int32Array([2, 0])) };

test('a batch of typed arrays gets the loss of the same batch in JSON', async () => {
  const evaluation = await client().crossEntropy({ ...BATCH, options: { outputs: ['lse', 'gradient'] } });
  const { data } = await client().api.POST('/v1/cross-entropy', {
    body: {
      logits: [
        [1, 2, 3],
        [0.5, 0.25, 0],
      ],
      label: [2, 0],
    },
  });
  expect(evaluation.loss).toBe(data!.loss);
  const { lse, gradient } = evaluation.outputs;
  expect(arrayOf(lse!)).toBeInstanceOf(Float64Array);
  expect([lse!.shape, gradient!.shape]).toEqual([[2], [2, 3]]);
  expect(arrayOf(gradient!).length).toBe(6);
});

test('numbers that JSON cannot represent are numbers, in MessagePack and in JSON', async () => {
  const logits = tensor(new Float32Array([Number.NaN, 1]), [1, 2]);
  const evaluation = await client().crossEntropy({ logits, label: [0] });
  expect(evaluation.loss).toBeNaN();
  const { data } = await client().api.POST('/v1/cross-entropy', { body: { logits: [['NaN', 1]], label: [0] } });
  expect(data!.loss).toBeNaN();
  const params = { path: { run: 'typed', step: 1, rank: 0 } };
  const pair = { numerator: Number.POSITIVE_INFINITY, denominator: 2 };
  const recorded = await client().api.PUT('/v1/runs/{run}/steps/{step}/ranks/{rank}', { params, body: pair });
  expect(recorded.data!.loss).toBe(Number.POSITIVE_INFINITY);
});

test('a tensor can be surveyed', async () => {
  const { verdict, values } = await client().diagnose({ logits: BATCH.logits });
  expect([verdict, values.total]).toEqual(['finite', 6]);
});

test('two sets of logits can be compared', async () => {
  const reference = tensor(new Float32Array([1.5, 2, 2.5, 0.5, 0.5, 0]), [2, 3]);
  const { loss, kl_divergence, perplexity, worst_rows, outputs } = await client().klDivergence({
    ...BATCH,
    reference,
    options: { outputs: ['kl_divergence', 'gradient'], semantics: 'torch' },
  });
  const rows = [0, 1].map((row) => divergence(LOGITS.subarray(3 * row), [1.5, 2, 2.5, 0.5, 0.5, 0].slice(3 * row)));
  expect([...arrayOf(outputs.kl_divergence!)]).toEqual(rows.map((value) => expect.closeTo(value, 7)));
  expect(loss).toBeCloseTo((rows[0]! + rows[1]!) / 2, 7);
  expect(kl_divergence.percentiles['50']).toBe(loss);
  expect(worst_rows.map(({ row }) => row)).toEqual([0, 1]);
  expect(perplexity!.logits.value).toBeGreaterThan(1);
  expect(arrayOf(outputs.gradient!)).toBeInstanceOf(Float32Array);
});

/** KL(P‖Q) of the first three logits of each side, in float64. */
function divergence(logits: ArrayLike<number>, reference: ArrayLike<number>): number {
  const [q, p] = [logits, reference].map((side) => {
    const terms = [0, 1, 2].map((c) => Math.exp(side[c]!));
    return terms.map((term) => term / (terms[0]! + terms[1]! + terms[2]!));
  }) as [number[], number[]];
  return p.reduce((sum, p_c, c) => sum + p_c * Math.log(p_c / q[c]!), 0);
}

test('a top K and nested arrays can be compared, with numbers that JSON cannot represent', async () => {
  const reference = { indices: tensor(new Int32Array([2, 1]), [2, 1]), logprobs: [[-0.25], [-0.5]] };
  const { loss, perplexity } = await client().klDivergence({
    logits: BATCH.logits,
    reference,
    options: { tail: 'drop' },
  });
  const q = [3 - Math.log(Math.E + Math.E ** 2 + Math.E ** 3), 0.25 - Math.log(Math.exp(0.5) + Math.exp(0.25) + 1)];
  const expected = (Math.exp(-0.25) * (-0.25 - q[0]!) + Math.exp(-0.5) * (-0.5 - q[1]!)) / 2;
  expect(loss).toBeCloseTo(expected, 6);
  expect(perplexity).toBeUndefined();
  const infinite = await client().klDivergence({ logits: [[0, Number.NEGATIVE_INFINITY]], reference: [[0, 0]] });
  expect([infinite.loss, infinite.kl_divergence.mean]).toEqual([Infinity, Infinity]);
});

test('log-probabilities can be compared', async () => {
  const [old, trained] = [tensor(Float32Array.of(-0.5, -1.25), [2]), [-0.5, -1.5]];
  const { k1, perplexity, sequences } = await client().compareLogprobs({ old, new: trained, segments: [1, 1] });
  expect([k1, perplexity.old, sequences.length]).toEqual([0.125, (Math.exp(0.5) + Math.exp(1.25)) / 2, 2]);
  const overflow = await client().compareLogprobs({ old: [-800], new: [0], input_mask: [1] });
  expect(overflow.chi2_token).toBe(Infinity);
});

test('sequences are given by their lengths, as a list or as a typed array', async () => {
  const lengths = [[1, 1], tensor(new BigInt64Array([1n, 1n])), tensor(new Int32Array([2])), 2];
  const reference = tensor(new Float32Array([1.5, 2, 2.5, 0.5, 0.5, 0]), [2, 3]);
  const options = { outputs: ['sequences' as const] };
  const counted = await Promise.all(
    lengths.map(async (segments) => {
      const compared = await client().klDivergence({ ...BATCH, reference, segments, options });
      const evaluated = await client().crossEntropy({
        ...{ ...BATCH, segments, bytes: 7, words: 3 },
        options: { ...options, metrics: ['bits_per_byte', 'word_perplexity'] },
      });
      const ofLogits: (SequenceEvaluation['perplexity'] | undefined)[] = compared.sequences!.map(
        ({ logits }: ComparedSequence) => logits?.perplexity,
      );
      expect(ofLogits).toEqual(evaluated.sequences!.map(({ perplexity }) => expect.closeTo(perplexity!, 5)));
      const sum = compared.sequences!.reduce((total, { numerator }) => total + numerator!, 0);
      expect(sum).toBeCloseTo(compared.numerator, 12);
      expect(evaluated.metrics.bits_per_byte).toBeCloseTo(evaluated.numerator / (Math.LN2 * 7), 12);
      expect(evaluated.metrics.word_perplexity).toBeCloseTo(Math.exp(evaluated.numerator / 3), 12);
      return compared.sequences!.map(({ tokens }) => tokens);
    }),
  );
  expect(counted).toEqual([[1, 1], [1, 1], [2], [2]]);
});

test('errors are problems, in both formats', async () => {
  const wrong = client().crossEntropy({ ...BATCH, label: [7, 0] });
  await expect(wrong).rejects.toThrow(ProblemError);
  await expect(wrong).rejects.toMatchObject({ problem: { status: 422, code: 'invalid_label' } });
  const unknown = client().api.GET('/v1/runs/{run}', { params: { path: { run: 'nowhere' } } });
  await expect(unknown).rejects.toMatchObject({ message: 'there is no run nowhere', problem: { code: 'not_found' } });
});

test('an answer of a proxy that is no problem is one by its status', async () => {
  const answer = async (): Promise<Response> => new Response('<html>', { status: 502, statusText: 'Bad Gateway' });
  const behind = new Client({ url: 'http://proxy/lossmeter', fetch: answer });
  await expect(behind.diagnose({ logits: [1] })).rejects.toMatchObject({
    message: 'the service answered 502 Bad Gateway',
    problem: { status: 502 },
  });
});

test('requests go below the path of the address', async () => {
  const urls: string[] = [];
  const fetch = async ({ url }: Request): Promise<Response> => {
    urls.push(url);
    return Response.json({});
  };
  for (const url of ['http://proxy/lossmeter', 'http://proxy/lossmeter/']) {
    const behind = new Client({ url, fetch });
    await behind.api.GET('/v1/info');
    await behind.send('v1/info', {});
  }
  expect(new Set(urls)).toEqual(new Set(['http://proxy/lossmeter/v1/info']));
});

test('a key is sent with every request', async () => {
  const keys: (string | null)[] = [];
  const fetch = async ({ headers }: Request): Promise<Response> => {
    keys.push(headers.get('authorization'));
    return Response.json({});
  };
  const keyed = new Client({ url: 'http://proxy', key: 'lm_key', fetch });
  await keyed.api.GET('/v1/info');
  await keyed.send('v1/info', {});
  expect(keys).toEqual(['Bearer lm_key', 'Bearer lm_key']);
});

test('address and key come from the environment where they are not given', async () => {
  onTestFinished(() => void vi.unstubAllEnvs());
  const sent: [string, string | null][] = [];
  const fetch = async ({ url, headers }: Request): Promise<Response> => {
    sent.push([url, headers.get('authorization')]);
    return Response.json({});
  };
  vi.stubEnv('LOSSMETER_URL', undefined);
  vi.stubEnv('LOSSMETER_API_KEY', undefined);
  await new Client({ fetch }).send('v1/info');
  vi.stubEnv('LOSSMETER_URL', 'http://loss.example');
  vi.stubEnv('LOSSMETER_API_KEY', 'lm_key');
  await new Client({ fetch }).send('v1/info');
  await new Client({ url: 'http://other.example', key: 'lm_other', fetch }).send('v1/info');
  expect(sent).toEqual([
    ['http://127.0.0.1:8080/v1/info', null],
    ['http://loss.example/v1/info', 'Bearer lm_key'],
    ['http://other.example/v1/info', 'Bearer lm_other'],
  ]);
});

test('changes of a run are followed', async () => {
  const params = { path: { run: 'followed' } };
  await client().api.PUT('/v1/runs/{run}', { params, body: { labels: { model: 'gpt-1b' } } });
  const seen: RunEvent[] = [];
  const left = new AbortController();
  const following = (async () => {
    for await (const event of client().events('followed', { lastEventId: '0', signal: left.signal })) {
      seen.push(event);
      if (seen.length === 2) return;
    }
  })();
  const record = (step: number) =>
    client().api.PUT('/v1/runs/{run}/steps/{step}/ranks/{rank}', {
      params: { path: { run: 'followed', step, rank: 0 } },
      body: { numerator: Number.NaN, denominator: 1 },
    });
  await record(1);
  await record(2);
  await following;
  left.abort();
  expect(seen.map(({ type }) => type)).toEqual(['step', 'step']);
  expect(seen[0]!.data).toMatchObject({ step: 1, loss: Number.NaN });
});

test.each(NAMES)('the run %j is recorded, read and followed', async (run) => {
  const body = { numerator: 3, denominator: 1 };
  const params = { path: { run, step: 1, rank: 0 } };
  await client().api.PUT('/v1/runs/{run}/steps/{step}/ranks/{rank}', { params, body });
  expect((await client().api.GET('/v1/runs/{run}', { params: { path: { run } } })).data).toMatchObject({
    run,
    steps: 1,
  });
  const left = new AbortController();
  for await (const { type, data } of client().events(run, { lastEventId: '0', signal: left.signal })) {
    expect([type, data]).toEqual(['step', expect.objectContaining({ step: 1, loss: 3 })]);
    break;
  }
});

test('a tensor is a view of its array, with the dtype of it', () => {
  const halves = new Float64Array([1, 2, 3, 4]).subarray(2);
  expect(arrayOf(tensor(halves))).toEqual(new Float64Array([3, 4]));
  expect(tensor(halves).data.buffer).toBe(halves.buffer);
  expect(tensor(new BigInt64Array(2)).dtype).toBe('int64');
  expect(tensor(new Uint16Array(2), [2], 'bfloat16')).toMatchObject({ dtype: 'bfloat16', shape: [2] });
  expect(() => tensor(halves, [3])).toThrow('the array has 2 elements, the shape 3 has 3');
  expect(() => arrayOf(tensor(new Uint16Array(2), [2], 'bfloat16'))).toThrow('there is no typed array of bfloat16');
  expect(() => tensor(new Uint8ClampedArray(1) as unknown as Uint8Array)).toThrow('Uint8ClampedArray needs a dtype');
});

test('the package has the version of the service', () => {
  const file = new URL('../../../clients/typescript/package.json', import.meta.url);
  expect((JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version).toBe(manifest.version);
});

test('names that objects inherit stay texts in answers', () => {
  expect(parseAnswer('{"run":"constructor","labels":{"m":"toString"},"loss":"-Infinity"}')).toEqual({
    run: 'constructor',
    labels: { m: 'toString' },
    loss: -Infinity,
  });
});

test('a path is below the address of the service, and the key goes nowhere else', async () => {
  const urls: string[] = [];
  const fetch = async ({ url }: Request): Promise<Response> => {
    urls.push(url);
    return new Response('{}');
  };
  const behind = new Client({ url: 'http://proxy/lossmeter', key: 'k', fetch });
  for (const path of ['v1/info', '/v1/info']) await behind.send(path);
  expect(urls).toEqual(['http://proxy/lossmeter/v1/info', 'http://proxy/lossmeter/v1/info']);
  for (const path of ['https://other.example/x', '../x']) {
    await expect(behind.send(path)).rejects.toThrow(TypeError);
  }
  expect(urls).toHaveLength(2);
});

test('an answer that is a JSON text is a problem by its status', async () => {
  const behind = new Client({ url: 'http://proxy', fetch: async () => new Response('"Bad Gateway"', { status: 502 }) });
  await expect(behind.send('v1/info')).rejects.toMatchObject({ problem: { status: 502 } });
});
