import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { WRITERS } from '../request-bodies.ts';
import { encode } from '../rows.ts';
import { JSON_TYPE, Service } from '../service.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'lossmeter-wrong-reference-'));
afterAll(() => rmSync(dataDir, { recursive: true }));
writeFileSync(join(dataDir, 'empty.kld'), '');
writeFileSync(join(dataDir, 'short.kld'), '_log');
writeFileSync(join(dataDir, 'header.kld'), '_logits_'.padEnd(40, '\0'));
writeFileSync(join(dataDir, 'empty.safetensors'), '');

const service = Service.start({ dataDir, inlineLogits: 2 ** 20 });

interface Problem {
  code: string;
  detail: string;
  errors?: { pointer: string }[];
}

const LOGITS = [[1, 2, 3]];
const FORMS = ['{"dtype", "shape", "data"}', 'a nested array', '{"file", "tensor"}'];
const ALL_FORMS = [...FORMS, '{"indices", "logprobs"}', '{"kld_file"}'];

async function refusal(fields: object, writer: 'json' | 'msgpack' | 'safetensors' = 'json') {
  const { headers, body } = WRITERS[writer](fields as Record<string, unknown>);
  const { 'content-type': type, ...others } = headers as Record<string, string>;
  const answer = await service.post(body, {
    type: type!,
    path: '/v1/kl-divergence',
    headers: { ...others, accept: JSON_TYPE },
  });
  const problem = answer.body as unknown as Problem;
  expect(answer.status, problem.detail).toBeGreaterThanOrEqual(400);
  const pointers = (problem.errors ?? []).map(({ pointer }) => pointer);
  return { code: problem.code, detail: problem.detail, pointers };
}

describe.each(['json', 'msgpack'] as const)('a reference in %s', (writer) => {
  test.each([
    [5, 'reference is 5', 'invalid_tensor', '/reference'],
    ['x', 'reference is "x"', 'invalid_tensor', '/reference'],
    [true, 'reference is true', 'invalid_tensor', '/reference'],
    [{}, 'reference is {}', 'invalid_tensor', '/reference'],
    [{ foo: 1 }, 'unknown key "foo" in reference', 'unknown_field', '/reference/foo'],
    [{ indices: [[0]], logprobs: [[-1]], foo: 1 }, 'unknown key "foo"', 'unknown_field', '/reference/foo'],
    [{ foo: 1, indices: [[0]], logprobs: [[-1]] }, 'unknown key "foo"', 'unknown_field', '/reference/foo'],
    [{ file: 'a', foo: 1 }, 'unknown key "foo"', 'unknown_field', '/reference/foo'],
    [{ file: 'a', kld_file: 'b' }, 'unknown key "file"', 'unknown_field', '/reference/file'],
  ])('of %j is told every form', async (reference, says, code, pointer) => {
    const refused = await refusal({ reference, logits: LOGITS }, writer);
    expect(refused).toMatchObject({ code, pointers: [pointer] });
    for (const part of [says, ...ALL_FORMS]) expect(refused.detail).toContain(part);
  });

  test.each([
    [{ file: 'a.safetensors' }, 'reference has no tensor: expected the name of a tensor of the file', 'tensor'],
    [{ tensor: 'a' }, 'reference has no file: expected the path of a safetensors file', 'file'],
    [{ file: 'a.safetensors', tensor: 3 }, 'reference.tensor is 3, expected the name of a tensor', 'tensor'],
    [{ kld_file: 3 }, 'reference.kld_file is 3, expected the path of a llama.cpp logit file', 'kld_file'],
  ])('of %j is told what its file needs', async (reference, says, key) => {
    const { detail, pointers } = await refusal({ reference, logits: LOGITS }, writer);
    expect(detail).toContain(says);
    expect(pointers).toEqual([`/reference/${key}`]);
  });

  test.each([
    [{ indicies: [[0]] }, 'did you mean indices?'],
    [{ kldfile: 'a' }, 'did you mean kld_file?'],
    [{ dtpye: 'float32' }, 'did you mean dtype?'],
  ])('of %j is told the key that was meant', async (reference, says) => {
    expect((await refusal({ reference, logits: LOGITS }, writer)).detail).toContain(says);
  });

  test.each([
    [{ indices: 5, logprobs: [[-1]] }, '/reference/indices'],
    [{ indices: [[0]], logprobs: 'x' }, '/reference/logprobs'],
    [{ indices: { dtype: 'int9', shape: [1, 1], data: [0] }, logprobs: [[-1]] }, '/reference/indices/dtype'],
    [{ indices: { dtype: 'int32', shape: [-1], data: [0] }, logprobs: [[-1]] }, '/reference/indices/shape'],
    [{ indices: { dtype: 'int32', shape: [1, 1], foo: 0 }, logprobs: [[-1]] }, '/reference/indices/foo'],
    [{ indices: { dtype: 'int32', shape: [1, 1], data: [0, 1] }, logprobs: [[-1]] }, '/reference/indices/data'],
    [{ indices: [['a']], logprobs: [[-1]] }, '/reference/indices/data/0'],
    [{ indices: [[0], [1, 2]], logprobs: [[-1]] }, '/reference/indices'],
    [{ indices: { file: 'a', tensor: 'b' }, logprobs: [[-1]] }, '/reference/indices/file'],
    [{ indices: { file: 'a' }, logprobs: [[-1]] }, '/reference/indices/tensor'],
    [{ indices: [[7]], logprobs: [[-1]] }, '/reference/indices/data/0'],
    [{ indices: [[0]], logprobs: [[1]] }, '/reference/logprobs/data/0'],
    [{ indices: [[0]] }, '/reference/logprobs'],
    [{ logprobs: [[-1]] }, '/reference/indices'],
  ])('of %j is pointed at as a place in the body', async (reference, pointer) => {
    expect((await refusal({ reference, logits: LOGITS }, writer)).pointers).toEqual([pointer]);
  });

  test('is no form of logits', async () => {
    for (const logits of [5, {}, { kld_file: 'a' }, { indices: [[0]] }]) {
      const { detail } = await refusal({ reference: LOGITS, logits }, writer);
      for (const part of FORMS) expect(detail).toContain(part);
      expect(detail).not.toMatch(/"indices", "logprobs"|\{"kld_file"\}/);
    }
  });
});

test('a missing reference is told its forms', async () => {
  const { detail, pointers } = await refusal({ logits: LOGITS });
  expect(detail).toContain('the field reference is missing');
  for (const part of ['{"indices", "logprobs"}', '{"kld_file"}']) expect(detail).toContain(part);
  expect(pointers).toEqual(['/reference']);
});

test('tensors of a safetensors file are pointed at as in other formats', async () => {
  const indices = { dtype: 'int32' as const, shape: [1, 1], data: encodeIndex(0) };
  const logits = { dtype: 'float32' as const, shape: [1, 3], data: encode('float32', [1, 2, 3]) };
  const fields = { 'reference.indices': indices, logits };
  expect((await refusal(fields, 'safetensors')).pointers).toEqual(['/reference/logprobs']);
  expect((await refusal({ ...fields, reference: logits }, 'safetensors')).pointers).toEqual(['/reference/indices']);
});

function encodeIndex(value: number): Uint8Array {
  return new Uint8Array(Int32Array.of(value).buffer);
}

test.each([
  [{ kld_file: 'empty.kld' }, '"empty.kld" is not a valid llama.cpp logit file: it is empty'],
  [{ kld_file: 'short.kld' }, 'it has 4 bytes, expected a header of 20: it is cut off'],
  [{ kld_file: 'empty.safetensors' }, '"empty.safetensors" is not a valid llama.cpp logit file: it is empty'],
  [{ file: 'empty.safetensors', tensor: 'a' }, '"empty.safetensors" is not a valid safetensors file: it is empty'],
  [{ file: 'header.kld', tensor: 'a' }, 'it is a logit file of llama.cpp (.kld)'],
])('the file %j is called what it is', async (reference, says) => {
  const { code, detail } = await refusal({ reference, logits: LOGITS });
  expect(code).toBe('invalid_file');
  expect(detail).toContain(says);
});
