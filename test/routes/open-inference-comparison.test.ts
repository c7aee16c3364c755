import { describe, expect, test } from 'vitest';
import type { Comparison } from '../../src/contract/kl-divergence.ts';
import type { DType } from '../../src/tensor/dtype.ts';
import { encodeElements } from '../../src/wire/tensors/elements.ts';
import { inferenceBody, readInferenceAnswer } from '../open-inference.ts';
import type { InferenceAnswer, InferenceInput } from '../open-inference.ts';
import { seededRandom } from '../rows.ts';
import { Service } from '../service.ts';

/** Service with slabs of a few rows, so that a request is many blocks on two workers. */
const service = Service.start({ workers: 2, slabBytes: 1024, inlineLogits: 0 });

const ROWS = 31;
const CLASSES = 37;
const random = seededRandom(5);
const LOGITS = Array.from({ length: ROWS * CLASSES }, () => (random() - 0.5) * 12);
const REFERENCE = LOGITS.map((x) => x + random() - 0.5);
const LABELS = Array.from({ length: ROWS }, (_, row) => (row * 5) % CLASSES);
const OUTPUTS = ['kl_divergence', 'nll', 'reference_nll', 'top1_agreement', 'gradient'];

function input(name: string, dtype: DType, shape: number[], values: number[], binary: boolean): InferenceInput {
  return { name, tensor: { dtype, shape, data: encodeElements(name, dtype, values) }, binary };
}

async function infer(inputs: InferenceInput[], others: Record<string, unknown>): Promise<InferenceAnswer> {
  const { jsonBytes, body } = inferenceBody(inputs, others);
  const headers = inputs.some(({ binary }) => binary) ? { 'inference-header-content-length': String(jsonBytes) } : {};
  const answer = await fetch(`${service.url}/v2/models/kl_divergence/infer`, { method: 'POST', headers, body });
  const bytes = Buffer.from(await answer.arrayBuffer());
  expect(answer.status, bytes.toString()).toBe(200);
  const length = answer.headers.get('inference-header-content-length');
  return readInferenceAnswer(bytes, length === null ? undefined : Number(length));
}

/** Makes the same comparison by /v1. */
async function compare(fields: object): Promise<Comparison & { outputs: Record<string, { data: number[] }> }> {
  const { body, status } = await service.post(Buffer.from(JSON.stringify(fields)), {
    type: 'application/json',
    headers: { accept: 'application/json' },
    path: '/v1/kl-divergence',
  });
  expect(status, JSON.stringify(body)).toBe(200);
  return body as never;
}

const rowsOf = (values: number[]): number[][] =>
  Array.from({ length: ROWS }, (_, row) => values.slice(row * CLASSES, (row + 1) * CLASSES));

describe.each([true, false])('binary %s', (binary) => {
  const shape = [ROWS, CLASSES];

  test.each(['reference', 'logits'])('two sets of logits are compared, %s last', async (last) => {
    const tensors = [
      input('reference', 'float32', shape, REFERENCE, binary),
      input('logits', 'float32', shape, LOGITS, binary),
    ].toSorted((a, b) => Number(a.name === last) - Number(b.name === last));
    const parameters = { direction: 'reverse', outputs: JSON.stringify(OUTPUTS) };
    const {
      values,
      parameters: results,
      outputs,
    } = await infer([input('label', 'int64', [ROWS], LABELS, binary), ...tensors], { parameters });
    const plain = await compare({
      ...{ reference: rowsOf(REFERENCE), logits: rowsOf(LOGITS), label: LABELS },
      options: { direction: 'reverse', outputs: OUTPUTS },
    });
    expect(values['loss']).toEqual([plain.loss]);
    expect(values['numerator']).toEqual([plain.numerator]);
    expect(values['nan_count']).toEqual([0]);
    for (const name of [
      'kl_divergence',
      'top1_agreement',
      'perplexity',
      'probability_difference',
      'worst_rows',
    ] as const) {
      expect(JSON.parse(results[name] as string), name).toEqual(plain[name]);
    }
    expect(results['verdict']).toBe('finite');
    expect(values['kl_divergence']!.every((kl) => kl > 0)).toBe(true);
    expect(outputs.map(({ name }) => name)).toEqual(expect.arrayContaining(OUTPUTS));
    expect(values['gradient']).toHaveLength(ROWS * CLASSES);
  });

  test('the top K of a teacher', async () => {
    const indices = LABELS.flatMap((y) => [y, (y + 1) % CLASSES]);
    const logprobs = LABELS.flatMap(() => [-0.5, -2]);
    const { values } = await infer(
      [
        input('reference.indices', 'int64', [ROWS, 2], indices, binary),
        input('reference.logprobs', 'float32', [ROWS, 2], logprobs, binary),
        input('logits', 'float32', shape, LOGITS, binary),
      ],
      { outputs: [{ name: 'kl_divergence' }] },
    );
    const plain = await compare({
      reference: { indices: LABELS.map((y) => [y, (y + 1) % CLASSES]), logprobs: LABELS.map(() => [-0.5, -2]) },
      logits: rowsOf(LOGITS),
    });
    expect(values['kl_divergence']!.reduce((sum, kl) => sum + kl, 0)).toBeCloseTo(plain.numerator, 9);
  });
});

test('each model counts its own calls', async () => {
  const read = async (model: string): Promise<number> => {
    const answer = await fetch(`${service.url}/v2/models/${model}/stats`);
    return ((await answer.json()) as { model_stats: { inference_count: number }[] }).model_stats[0]!.inference_count;
  };
  const [losses, comparisons] = [await read('cross_entropy'), await read('kl_divergence')];
  await infer(
    [input('reference', 'float32', [1, 2], [1, 2], false), input('logits', 'float32', [1, 2], [1, 2], false)],
    {},
  );
  expect(await read('kl_divergence')).toBe(comparisons + 1);
  expect(await read('cross_entropy')).toBe(losses);
});

test('the model is described', async () => {
  const answer = await fetch(`${service.url}/v2/models/kl_divergence/config`);
  expect(await answer.json()).toMatchObject({
    name: 'kl_divergence',
    input: [
      { name: 'logits', optional: false },
      { name: 'reference', optional: true },
      { name: 'reference.indices', optional: true },
      { name: 'reference.logprobs', optional: true },
      { name: 'label', optional: true },
      { name: 'input_mask', optional: true },
      { name: 'segments', optional: true },
    ],
    parameters: { 'reference.datatypes': { string_value: 'FP16,BF16,FP32,FP64' } },
  });
});
