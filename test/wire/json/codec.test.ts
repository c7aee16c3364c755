import { expect, test } from 'vitest';
import { jsonCodec } from '../../../src/wire/json/codec.ts';
import { partsOf } from '../decode.ts';

const decode = (text: string, chunkBytes?: number): unknown[] => partsOf(jsonCodec, Buffer.from(text), chunkBytes);

test.each([1, 7, 1000])('a text in chunks of %i bytes yields its fields', (chunkBytes) => {
  expect(decode('{"label": [1], "logits": [[1, 2]], "options": {"reduction": "sum"}}', chunkBytes)).toEqual([
    { is: 'field', name: 'label', value: [1] },
    { is: 'field', name: 'logits', value: [[1, 2]] },
    { is: 'field', name: 'options', value: { reduction: 'sum' } },
  ]);
});

test.each([
  ['[1]', 'expected an object'],
  ['{"label": [1]}', 'the field logits is missing'],
  ['{"logits": null, "label": [1]}', 'the field logits is missing'],
  ['{"logits": [[1]]}', 'the field label is missing'],
  ['{"logits": [[1]], "labels": [1]}', 'unknown field "labels", did you mean label?'],
])('%s is refused', (text, says) => {
  expect(() => decode(text)).toThrow(says);
});

test('more text than may be held is refused', () => {
  expect(() => decode(' '.repeat(2 ** 20 + 1))).toThrow('the JSON body has more than 1048576 bytes');
});
