/** The answer to a JSON text must not depend on its size. Small texts are read in place, and large ones on a thread. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BATCH_TENSORS } from '../../../src/batch/header.ts';
import { CROSS_ENTROPY } from '../../../src/evaluations/cross-entropy/cross-entropy.ts';
import { PAIR_FIELDS, recordingOf } from '../../../src/evaluations/cross-entropy/recording.ts';
import { DIAGNOSIS } from '../../../src/evaluations/diagnosis/diagnosis.ts';
import { KL_DIVERGENCE } from '../../../src/evaluations/kl-divergence/kl-divergence.ts';
import { LOGPROB_COMPARISON } from '../../../src/evaluations/logprobs/logprobs.ts';
import { COMBINE_FIELDS } from '../../../src/evaluations/vocabulary/combine.ts';
import { VOCABULARY_SHARD } from '../../../src/evaluations/vocabulary/shard.ts';
import { VOCABULARY_FIELDS } from '../../../src/loss/vocabulary.ts';
import { jsonCodec } from '../../../src/wire/json/codec.ts';
import { parseJson, readLargeJson } from '../../../src/wire/json-text/text.ts';
import { REQUEST_KEYS } from '../../../src/wire/open-inference/request.ts';
import { TENSOR_FIELDS, fieldNames } from '../../../src/wire/request-fields.ts';
import { requireRequestField } from '../../../src/wire/request.ts';
import { tensorFromValue } from '../../../src/wire/tensors/tensor-value.ts';
import type { LossmeterError } from '../../../src/errors.ts';
import { shareOf } from '../../lists.ts';
import { readOperations } from '../../openapi-document.ts';

const FIELDS = { tensors: BATCH_TENSORS, required: [], values: [...PAIR_FIELDS, ...VOCABULARY_FIELDS], options: [] };
const TENSORS: ReadonlySet<string> = new Set(TENSOR_FIELDS);

/** Fields of a request after reading, or the error. */
function outcome(read: (bytes: Uint8Array) => unknown, text: string): unknown {
  try {
    const request = read(Buffer.from(text)) as Record<string, unknown>;
    for (const name of Object.keys(request)) requireRequestField(name, FIELDS);
    return Object.entries(request).map(([name, value]) => {
      if (!TENSORS.has(name) || value === null) return [name, value];
      const { dtype, shape, data } = tensorFromValue(name, value);
      return [name, dtype, shape, Buffer.from(data).toString('hex')];
    });
  } catch (error) {
    const { code, message } = error as LossmeterError;
    return { code, message };
  }
}

const small = (text: string): unknown => outcome((bytes) => parseJson(bytes, 64), text);
const largeOf = (fields: readonly string[], text: string): unknown =>
  outcome((bytes) => readLargeJson(Uint8Array.from(bytes), { maxDepth: 64, fields }, []), text);
const large = (text: string): unknown => largeOf(fieldNames(FIELDS), text);

test.each([
  '{"x":[}',
  '{"x":[1,]}',
  '{"x":{"a" 1}}',
  '{"x":{"a":1]}',
  '{"x":[1 2]}',
  '{"x":["a\\x"]}',
  '{"x":"a\u0001"}',
  '{"x":[[1],{"a":[}]}',
  '{"x":[1,2}',
  '{"x":tru}',
  '{"x":[[1}]}',
  '{"x":',
  '{"logits":[[01]],"label":[0]}',
  '{"logits":[[1,2],[3,nul]],"label":[0]}',
])('%s is malformed in a small text and in a large one', (text) => {
  expect(large(text)).toMatchObject({ code: 'malformed_body' });
  expect(large(text)).toEqual(small(text));
});

test.each([
  ['{"x":[1,{"a":"b\\n"},[true,NaN]],"logits":[[1]]}', { code: 'unknown_field' }],
  ['{"x":1,"logits":[[1],[1,2]]}', { code: 'unknown_field' }],
  [
    '{"numerator":1.5,"denominator":2}',
    [
      ['numerator', 1.5],
      ['denominator', 2],
    ],
  ],
  [
    '{"labels":{"a":1,"b":"x"},"expected_ranks":4}',
    { code: 'unknown_field', message: expect.stringContaining('"labels"') },
  ],
  [
    '{"vocab_start":1,"vocab_size":"-Infinity"}',
    [
      ['vocab_start', 1],
      ['vocab_size', '-Infinity'],
    ],
  ],
])('%s has the same answer in a small text and in a large one', (text, answer) => {
  expect(large(text)).toEqual(Array.isArray(answer) ? answer : expect.objectContaining(answer));
  expect(large(text)).toEqual(small(text));
});

test('an error names the place in the body, and the text found there', () => {
  expect(small('{"logits": [[1, 2, 03]]}')).toMatchObject({
    message: 'the body is not JSON: at byte 19 "03" is found, expected a value',
  });
  expect(small('{"logits": [[NaN, 2,\n -Infinity, 1e]]}')).toMatchObject({
    message: 'the body is not JSON: at byte 33 "1e" is found, expected a value',
  });
  expect(small('{"options": {"a": nul}}')).toMatchObject({
    message: 'the body is not JSON: at byte 18 "nul" is found, expected a value',
  });
});

describe('texts of requests', () => {
  const word = fc.constantFrom('NaN', 'Infinity', '-Infinity', '"NaN"', '"Infinity"', '"-Infinity"', '"\\u004eaN"');
  const number = fc.oneof(fc.integer().map(String), fc.double({ noNaN: true }).map(String));
  const entry = fc.oneof(
    { weight: 6, arbitrary: number },
    { weight: 6, arbitrary: word },
    { weight: 1, arbitrary: fc.constantFrom('true', 'null', '"x"', '{"a":[1]}', '1e', '01', 'nul', '') },
  );
  const rows = fc.array(fc.array(entry, { minLength: 2, maxLength: 2 }), { minLength: 1, maxLength: 4 });
  const logits = fc.oneof(rows, rows).map((all) => `[${all.map((row) => `[${row.join(', ')}]`).join(',')}]`);
  const value = fc.oneof(
    fc.json({ maxDepth: 3 }),
    word,
    fc.constantFrom('[}', '{"a"}', '"\\x"', '[1,]', '{}', '[[]]', '[01]', '[1,,2]', '[1 2]', '[1e,2]', '[,1]', '[1,]'),
  );
  const field = fc.tuple(fc.constantFrom('x', 'options', 'numerator', 'vocab_start', 'target'), value);
  const text = fc
    .tuple(logits, fc.array(field, { maxLength: 2 }), fc.constantFrom('', '}', ' ', ','))
    .map(([tensor, fields, tail]) => {
      const others = fields.map(([name, given]) => `"${name}": ${given}`);
      return `{${[...others, `"logits": ${tensor}`].join(', ')}}${tail}`;
    });

  test('have the same answer in both ways', () => {
    fc.assert(
      fc.property(text, (given) => {
        expect(large(given)).toEqual(small(given));
      }),
      { numRuns: shareOf(3000, 5) },
    );
  });
});

test('every field of a body is read from a large text', () => {
  const readFields: Readonly<Record<string, readonly string[]>> = {
    'POST /v1/cross-entropy': fieldNames(CROSS_ENTROPY.fields),
    // In JSON, `reference` itself is a map with the fields of the top K.
    'POST /v1/kl-divergence': fieldNames(KL_DIVERGENCE.fields).filter((name) => !name.includes('.')),
    'POST /v1/diagnose': fieldNames(DIAGNOSIS.fields),
    'POST /v1/cross-entropy/partials': fieldNames(VOCABULARY_SHARD.fields),
    'POST /v1/cross-entropy/combine': COMBINE_FIELDS,
    'PUT /v1/runs/{run}/steps/{step}/ranks/{rank}': fieldNames(recordingOf({ step: 0, rank: 0 }).fields),
    // The reader knows `options` only to refuse it: this operation has no options.
    'POST /v1/logprobs/compare': fieldNames(LOGPROB_COMPARISON.fields).filter((name) => name !== 'options'),
    'POST /v2/models/cross_entropy/infer': REQUEST_KEYS,
    'POST /v2/models/cross_entropy/versions/1/infer': REQUEST_KEYS,
    'POST /v2/models/kl_divergence/infer': REQUEST_KEYS,
    'POST /v2/models/kl_divergence/versions/1/infer': REQUEST_KEYS,
  };
  const ofTensors = new Set(['logits', 'partials', 'inputs', 'old']);
  const named = readOperations().flatMap(({ name, bodies }) => {
    const names = Object.keys(bodies['application/json']?.properties ?? {});
    return names.some((name) => ofTensors.has(name)) ? [[name, names.toSorted()] as const] : [];
  });
  expect(Object.fromEntries(named)).toEqual(
    Object.fromEntries(Object.entries(readFields).map(([operation, fields]) => [operation, fields.toSorted()])),
  );
});

test.each([0, 300_000])('a plain value of %d bytes more keeps all its fields', (spaces) => {
  const value = { labels: { lr: 3e-4, model: 'x' }, expected_ranks: 8, numerator: 1.5, denominator: 2 };
  const text = JSON.stringify(value).replace('{', `{${' '.repeat(spaces)}`);
  expect(jsonCodec.values!.parse(Uint8Array.from(Buffer.from(text)), 64)).toEqual(value);
});

test.each([
  '"dtype":"float32","shape":[1,1],"data":[0]',
  '"file":"a.safetensors","tensor":"x"',
  '"indices":[[0]],"logprobs":[[0]]',
])('a tensor with very many unknown keys before %s has the same answer in both ways', (known) => {
  const unknown = Array.from({ length: 300 }, (_, k) => `"dtyp${k}":0`);
  for (const text of [
    `{"logits":{${[...unknown, known].join(',')}}}`,
    `{"logits":{${[known, ...unknown].join(',')}}}`,
  ]) {
    expect(large(text)).toMatchObject({ code: 'unknown_field' });
    expect(large(text)).toEqual(small(text));
  }
});

test.each([300, 4096])('%d scalars are read from a large text', (count) => {
  const scalars = Object.fromEntries(Array.from({ length: count }, (_, k) => [`scalar ${k}`, k]));
  const text = JSON.stringify({ numerator: 1, denominator: 1, scalars });
  const fields = { tensors: BATCH_TENSORS, values: [...PAIR_FIELDS, 'scalars'] };
  for (const known of [fieldNames(fields), undefined]) {
    const read = (): unknown => readLargeJson(Uint8Array.from(Buffer.from(text)), { maxDepth: 64, fields: known }, []);
    expect(read()).toEqual(JSON.parse(text));
  }
  const items = JSON.stringify([{ step: 1, rank: 0, scalars }]);
  const large = Uint8Array.from(Buffer.from(`${' '.repeat(300_000)}${items}`));
  expect(jsonCodec.values!.parse(large, 64)).toEqual(JSON.parse(items));
});

test('a misspelt tensor is named, however long it is', () => {
  const text = `{"logits":[[1]],"labels":[${'0,'.repeat(300_000)}0]}`;
  expect(large(text)).toMatchObject({ code: 'unknown_field', message: expect.stringContaining('did you mean label?') });
});

test('strings in a tensor do not count as values outside of it', () => {
  const row = Array.from({ length: 270_000 }, () => '"-Infinity"').join(',');
  const tensor = large(`{"logits":[[${row},1]]}`) as [string, string, number[]][];
  expect(tensor[0]![2]).toEqual([1, 270_001]);
});

test('many small arrays of numbers are refused before they are built', () => {
  const text = `{"inputs":[${Array.from({ length: 130_000 }, () => '{"data":[1]}').join(',')}]}`;
  expect(largeOf(REQUEST_KEYS, text)).toMatchObject({
    code: 'malformed_body',
    message: expect.stringContaining('more than 262144'),
  });
});
