import { Packr } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import { msgpackCodec } from '../../../src/wire/msgpack/codec.ts';
import { partsOf } from '../decode.ts';

const packr = new Packr({ useRecords: false, variableMapSize: true });
const LOGITS = { dtype: 'float32', shape: [1, 2], data: Buffer.from([0, 0, 128, 63, 0, 0, 0, 64]) };
const LABEL = { dtype: 'int32', shape: [1], data: Buffer.from([1, 0, 0, 0]) };
const HEAD = { is: 'head', name: 'logits', dtype: 'float32', shape: [1, 2], isNumpy: false };
const RUN = { is: 'run', bytes: [...LOGITS.data] };

describe.each([1, 3, 1000])('in chunks of %i bytes', (chunkBytes) => {
  test('logits that come last are a head, then runs', () => {
    const parts = partsOf(msgpackCodec, packr.pack({ label: [1], logits: LOGITS }), chunkBytes);
    expect(parts).toEqual([{ is: 'field', name: 'label', value: [1] }, HEAD, RUN]);
  });

  test('logits before other fields are announced as early', () => {
    const parts = partsOf(msgpackCodec, packr.pack({ logits: LOGITS, label: [1] }), chunkBytes);
    const field = { is: 'field', name: 'label', value: [1] };
    expect(parts).toEqual([{ is: 'early', what: 'logits.data' }, RUN, HEAD, field]);
  });

  test('logits whose data comes before their shape are early, too', () => {
    const { dtype, shape, data } = LOGITS;
    const parts = partsOf(msgpackCodec, packr.pack({ label: [1], logits: { data, shape, dtype } }), chunkBytes);
    expect(parts.slice(1)).toEqual([{ is: 'early', what: 'logits.data' }, RUN, HEAD]);
  });

  test('arrays, references and other tensors are fields', () => {
    const reference = { file: 'a.safetensors', tensor: 'x' };
    const parts = partsOf(msgpackCodec, packr.pack({ label: LABEL, logits: reference }), chunkBytes);
    expect(parts).toMatchObject([
      { is: 'field', name: 'label', value: { dtype: 'int32', shape: [1] } },
      { is: 'field', name: 'logits', value: reference },
    ]);
    expect(partsOf(msgpackCodec, packr.pack({ logits: [[1, 2]] }), chunkBytes)).toEqual([
      { is: 'field', name: 'logits', value: [[1, 2]] },
    ]);
  });
});

test.each([
  [{ logits: { ...LOGITS, shape: [1, 3] } }, 'logits.data has 8 bytes, but shape (1, 3) of float32 needs 12 bytes'],
  [{ logits: { ...LOGITS, dtype: 'int64' } }, 'logits.dtype is int64, expected one of'],
  [{ logit: LOGITS }, 'unknown field "logit", did you mean logits?'],
  [{ reduction: 'sum' }, 'it is an option and belongs in "options"'],
])('%j is refused', (request, says) => {
  expect(() => partsOf(msgpackCodec, packr.pack(request))).toThrow(says);
});

test('a field that comes twice is refused', () => {
  const pair = packr.pack({ label: [1] }).subarray(1);
  expect(() => partsOf(msgpackCodec, Buffer.concat([Buffer.of(0x82), pair, pair]))).toThrow('"label" comes twice');
});
