import { describe, expect, test } from 'vitest';
import type { Tensor } from '../../../src/tensor/tensor.ts';
import { safetensorsCodec } from '../../../src/wire/safetensors/codec.ts';
import { safetensorsFile } from '../../safetensors-file.ts';
import { partsOf } from '../decode.ts';

const LOGITS: Tensor = { dtype: 'float32', shape: [1, 2], data: Uint8Array.of(0, 0, 128, 63, 0, 0, 0, 64) };
const LABEL: Tensor = { dtype: 'int32', shape: [1], data: Uint8Array.of(1, 0, 0, 0) };
const HEAD = { is: 'head', name: 'logits', dtype: 'float32', shape: [1, 2], isNumpy: false };
const RUN = { is: 'run', bytes: [...LOGITS.data] };

describe.each([1, 5, 1000])('in chunks of %i bytes', (chunkBytes) => {
  test('logits that are last are a head, then runs; metadata are fields', () => {
    const file = safetensorsFile([['label', LABEL], ['logits', LOGITS]], { options: '{"reduction": "sum"}' }); // prettier-ignore
    const [options, label, ...rest] = partsOf(safetensorsCodec, file, chunkBytes);
    expect(options).toEqual({ is: 'field', name: 'options', value: { reduction: 'sum' } });
    expect(label).toMatchObject({ is: 'field', name: 'label', value: { dtype: 'int32', shape: [1] } });
    expect(rest).toEqual([HEAD, RUN]);
  });

  test('logits before other tensors are announced as early', () => {
    const file = safetensorsFile([['logits', LOGITS], ['label', LABEL]]); // prettier-ignore
    const parts = partsOf(safetensorsCodec, file, chunkBytes);
    expect(parts.slice(0, 3)).toEqual([{ is: 'early', what: 'logits' }, RUN, HEAD]);
    expect(parts[3]).toMatchObject({ is: 'field', name: 'label' });
  });
});

test.each<[string, [string, Tensor][], Record<string, string>, string]>([
  ['no label', [['logits', LOGITS]], {}, 'the field label is missing'],
  ['whole numbers as logits', [['label', LABEL], ['logits', { ...LABEL, shape: [1, 1] }]], {}, 'logits.dtype is int32'], // prettier-ignore
  ['an unknown tensor', [['labels', LABEL], ['logits', LOGITS]], {}, 'unknown field "labels", did you mean label?'], // prettier-ignore
  ['an option in the metadata', [['label', LABEL], ['logits', LOGITS]], { reduction: 'sum' }, 'belongs in __metadata__.options'], // prettier-ignore
])('a file with %s is refused', (_what, tensors, metadata, says) => {
  expect(() => partsOf(safetensorsCodec, safetensorsFile(tensors, metadata))).toThrow(says);
});

test('a body that is no file is refused by its first bytes', () => {
  expect(() => partsOf(safetensorsCodec, Buffer.from('PK\u0003\u0004 no header'))).toThrow('not a safetensors file');
});
