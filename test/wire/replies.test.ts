import { Packr, Unpackr } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import type { Evaluation } from '../../src/contract/cross-entropy.ts';
import { DTYPES } from '../../src/tensor/dtype.ts';
import type { DType } from '../../src/tensor/dtype.ts';
import type { Shape } from '../../src/tensor/shape.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { encodeElements } from '../../src/wire/tensors/elements.ts';
import { REPLY_MEDIA_TYPES, encodeReply } from '../../src/wire/media-types.ts';
import { readSafetensors, safetensorsFile } from '../safetensors-file.ts';
import { JSON_TYPE, MSGPACK, Service } from '../service.ts';
import { toNumpy } from './formats.ts';

const SAFETENSORS = 'application/vnd.safetensors';

const packr = new Packr({ useRecords: false, mapsAsObjects: false });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: false });

function tensor(dtype: DType, shape: Shape, values: readonly unknown[]): Tensor {
  return { dtype, shape, data: encodeElements('test', dtype, values) };
}

/** An answer with a tensor of every dtype. */
const ANSWER = {
  loss: Number.NaN,
  numerator: -Infinity,
  rows: { total: 2 },
  outputs: Object.fromEntries(DTYPES.map((dtype) => [dtype, tensor(dtype, [3, 1], [1, 0, 1])])),
  metrics: { perplexity: 0.1 },
  kernel: 'f32',
};

const encode = (answer: object, mediaType: string, numpyArrays = false): Buffer =>
  Buffer.concat([...encodeReply(answer, mediaType, { numpyArrays })].map((part) => Buffer.from(part as string)));

const plain = ({ dtype, shape, data }: Tensor): Tensor => ({ dtype, shape, data: Buffer.from(data) });

describe('safetensors', () => {
  test('has the outputs as tensors and everything else as JSON text', () => {
    const { tensors, metadata } = readSafetensors(encode(ANSWER, SAFETENSORS));
    for (const dtype of DTYPES) expect(plain(tensors[dtype]!)).toEqual(plain(ANSWER.outputs[dtype]!));
    expect(Object.keys(tensors).length).toBe(DTYPES.length);
    expect(Object.keys(metadata)).toEqual(['evaluation']);
    expect(JSON.parse(metadata['evaluation']!)).toEqual({
      ...ANSWER,
      loss: 'NaN',
      numerator: '-Infinity',
      outputs: {},
    });
  });

  test('has a header padded with spaces, and every tensor aligned to its width', () => {
    for (const kernel of ['', 'a', 'ab', 'abc', 'abcd', 'abcde', 'abcdef', 'abcdefg', 'é']) {
      const file = encode({ ...ANSWER, kernel }, SAFETENSORS);
      const length = Number(file.readBigUInt64LE());
      expect(length % 8).toBe(0);
      expect(file.toString('utf8', 8, 8 + length)).toMatch(/^\{.*\} {0,7}$/);
      for (const [dtype, { data }] of Object.entries(readSafetensors(file).tensors)) {
        expect((data.byteOffset - file.byteOffset) % (data.byteLength / 3), dtype).toBe(0);
      }
    }
  });

  test('names tensors elsewhere by their path', () => {
    const target = tensor('int32', [2], [1, 0]);
    const columns = { lse: tensor('float64', [2], [1, 2]), deep: { er: target } };
    const { tensors, metadata } = readSafetensors(encode({ version: 1, target, columns }, SAFETENSORS));
    expect(Object.keys(tensors).toSorted()).toEqual(['columns/deep/er', 'columns/lse', 'target']);
    expect(metadata['evaluation']).toBe('{"version":1,"columns":{"deep":{}}}');
  });

  test('is a file without tensors when there are no outputs', () => {
    const { tensors, metadata } = readSafetensors(encode({ loss: 1, outputs: {} }, SAFETENSORS));
    expect(tensors).toEqual({});
    expect(metadata['evaluation']).toBe('{"loss":1,"outputs":{}}');
  });
});

describe('msgpack-numpy', () => {
  const TYPES: Partial<Record<DType, string>> = {
    ...{ float16: '<f2', bfloat16: '<u2', float32: '<f4', float64: '<f8', bool: '|b1' },
    ...{ int8: '|i1', int16: '<i2', int32: '<i4', int64: '<i8' },
    ...{ float8_e4m3fn: '|u1', float8_e5m2: '|u1', uint8: '|u1', uint16: '<u2', uint32: '<u4', uint64: '<u8' },
  };

  test('has keys that are bin, in the order of the library, and NumPy’s types', () => {
    const answer = unpackr.unpack(encode(ANSWER, MSGPACK, true)) as Map<string, Map<string, Map<Buffer, unknown>>>;
    const outputs = answer.get('outputs')!;
    for (const [dtype, array] of outputs) {
      const keys = [...array.keys()].map((key) => [Buffer.isBuffer(key), String(key)]);
      expect(keys).toEqual(['nd', 'type', 'kind', 'shape', 'data'].map((key) => [true, key]));
      const type = TYPES[dtype as DType];
      expect([...array.values()]).toEqual([true, type, Buffer.alloc(0), [3, 1], plain(ANSWER.outputs[dtype]!).data]);
    }
    expect(outputs.size).toBe(DTYPES.length);
  });

  test('concerns tensors alone', () => {
    const { outputs, ...rest } = ANSWER;
    expect(encode({ ...rest, outputs: {} }, MSGPACK, true)).toEqual(encode({ ...rest, outputs: {} }, MSGPACK));
    expect(Object.keys(outputs).length).toBe(DTYPES.length);
    expect(encode(ANSWER, JSON_TYPE, true)).toEqual(encode(ANSWER, JSON_TYPE));
    expect(encode(ANSWER, SAFETENSORS, true)).toEqual(encode(ANSWER, SAFETENSORS));
  });
});

test.each([MSGPACK, SAFETENSORS])('%s hands the bytes of large tensors on as they are', (mediaType) => {
  const gradient = { dtype: 'float32', shape: [25_000], data: new Uint8Array(100_000) } as const;
  for (const numpyArrays of [false, true]) {
    const parts = [...encodeReply({ loss: 1, outputs: { gradient } }, mediaType, { numpyArrays })];
    expect(parts.filter((part) => part === gradient.data).length).toBe(1);
  }
});

describe('over HTTP', () => {
  const service = Service.shared();

  const logits = tensor('bfloat16', [2, 3], [1, 2, 3, 0, 1, 0]);
  const label = tensor('int64', [2], [2, 0]);
  const options = { outputs: ['per_token_loss', 'gradient', 'predictions'] };

  async function post(body: Uint8Array, type: string, accept: string, path = ''): Promise<Buffer> {
    const response = await fetch(`${service.url}/v1/cross-entropy${path}`, {
      method: 'POST',
      headers: { 'content-type': type, accept },
      body: new Uint8Array(body),
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    expect(response.status, bytes.toString()).toBe(200);
    expect(response.headers.get('content-type')).toBe(accept);
    return bytes;
  }

  const plainBody = packr.pack(new Map(Object.entries({ options, label, logits })));
  const numpyBody = packr.pack(new Map(Object.entries({ options, label, logits: toNumpy(logits) })));
  const file = safetensorsFile(
    [
      ['label', label],
      ['logits', logits],
    ],
    { options: JSON.stringify(options), vocab_start: '3', vocab_size: '9' },
  );

  test('every format of a request has the same answer in every format', async () => {
    const json = JSON.parse((await post(plainBody, MSGPACK, JSON_TYPE)).toString()) as Evaluation;
    for (const [body, type] of [
      [plainBody, MSGPACK],
      [numpyBody, MSGPACK],
      [file, SAFETENSORS],
    ] as const) {
      expect(JSON.parse((await post(body, type, JSON_TYPE)).toString())).toEqual(json);
      const { tensors, metadata } = readSafetensors(await post(body, type, SAFETENSORS));
      expect({ ...(JSON.parse(metadata['evaluation']!) as Evaluation), outputs: json.outputs }).toEqual(json);
      for (const [name, { dtype, shape, data }] of Object.entries(json.outputs)) {
        expect(plain(tensors[name]!), name).toEqual(plain(tensor(dtype, shape, data as unknown as number[])));
      }
    }
  });

  test('outputs are arrays of msgpack-numpy when the logits were one', async () => {
    const nameOfFirstKey = async (body: Uint8Array, type: string): Promise<unknown> => {
      const answer = unpackr.unpack(await post(body, type, MSGPACK)) as Map<string, Map<string, Map<unknown, unknown>>>;
      return [...answer.get('outputs')!.get('gradient')!.keys()][0];
    };
    expect(await nameOfFirstKey(numpyBody, MSGPACK)).toEqual(Buffer.from('nd'));
    expect(await nameOfFirstKey(plainBody, MSGPACK)).toBe('dtype');
    expect(await nameOfFirstKey(file, SAFETENSORS)).toBe('dtype');
  });

  test('a partial is the same for every client, and a shard may come in every format', async () => {
    const shard = { vocab_start: 3, vocab_size: 9, label, options: {} };
    const bodies = [logits, toNumpy(logits)].map((given) =>
      packr.pack(new Map(Object.entries({ ...shard, logits: given }))),
    );
    const [one, other] = await Promise.all(bodies.map((body) => post(body, MSGPACK, MSGPACK, '/partials')));
    expect(other).toEqual(one);

    const tensors: [string, Tensor][] = [
      ['label', label],
      ['logits', logits],
    ];
    const inFile = safetensorsFile(tensors, { vocab_start: '3', vocab_size: '9' });
    expect(await post(inFile, SAFETENSORS, MSGPACK, '/partials')).toEqual(one);
    const partial = readSafetensors(await post(inFile, SAFETENSORS, SAFETENSORS, '/partials'));
    expect(Object.keys(partial.tensors)).toEqual(expect.arrayContaining(['target', 'columns/logSum']));
    expect(JSON.parse(partial.metadata['evaluation']!)).toMatchObject({ lossmeter_partial: 3, vocab_start: 3 });
  });

  test('vocab_start that is no number is refused with what came', async () => {
    const wrong = safetensorsFile(
      [
        ['label', label],
        ['logits', logits],
      ],
      { vocab_start: '"3"', vocab_size: '9' },
    );
    const { status, body } = await service.post(wrong, { type: SAFETENSORS, path: '/v1/cross-entropy/partials' });
    expect([status, body.code]).toEqual([422, 'invalid_shard']);
    expect(body.detail).toContain('vocab_start is "3"');
  });

  test('application/octet-stream says nothing of an answer, and is not acceptable', async () => {
    const { status, body } = await service.post(plainBody, {
      type: MSGPACK,
      headers: { accept: 'application/octet-stream' },
    });
    expect([status, body.code]).toEqual([406, 'not_acceptable']);
    for (const type of REPLY_MEDIA_TYPES) expect(body.detail).toContain(type);
  });
});

describe('numbers in JSON', () => {
  const NUMBERS = [7.7899148223310176e16, -(2 ** 53), 2 ** 53 - 1, 1e21, 1.7976931348623157e308, 5e-324, 0.1, 0];
  const TEXTS = ['7.789914822331018e+16', '-9.007199254740992e+15', '9007199254740991', '1e+21'];

  test('have the fewest digits that make the same float64, and an exponent beyond 2^53', () => {
    const text = encode({ NUMBERS, outputs: {} }, JSON_TYPE).toString();
    expect(JSON.parse(text)).toEqual({ NUMBERS, outputs: {} });
    expect(text).toContain(`[${[...TEXTS, '1.7976931348623157e+308', '5e-324', '0.1', '0'].join(',')}]`);
  });

  test('of tensors too', () => {
    const lse = tensor('float64', [NUMBERS.length], NUMBERS);
    const text = encode({ outputs: { lse } }, JSON_TYPE).toString();
    expect((JSON.parse(text) as { outputs: { lse: { data: number[] } } }).outputs.lse.data).toEqual(NUMBERS);
    expect(text).toContain(`[${TEXTS.join(',')},`);
  });

  test('beside NaN and the infinities, which are strings', () => {
    const text = encode({ mixed: [Number.NaN, 2 ** 60, -Infinity], outputs: {} }, JSON_TYPE).toString();
    expect(text).toBe('{"mixed":["NaN",1.152921504606847e+18,"-Infinity"],"outputs":{}}');
  });
});
