/** Arrays in the form of msgpack-numpy that are refused. */
import { Packr } from 'msgpackr';
import { afterEach, describe, expect, test } from 'vitest';
import { MSGPACK, Service } from '../service.ts';

const service = Service.start({ maxBytesInFlight: 2 ** 20 });

const packr = new Packr({ useRecords: false, mapsAsObjects: false });
const float32 = new Uint8Array(Float32Array.of(1, 2, 3, 0, 1, 0).buffer);

/** A valid array with the changes of a test. An undefined value removes its key. */
const array = (changes: Record<string, unknown> = {}): Map<unknown, unknown> => {
  const pairs = { nd: true, type: '<f4', kind: Buffer.alloc(0), shape: [2, 3], data: float32, ...changes };
  const entries = Object.entries(pairs).filter(([, value]) => value !== undefined);
  return new Map(entries.map(([key, value]) => [Buffer.from(key), value]));
};
const label = array({ type: '<i8', shape: [2], data: new Uint8Array(BigInt64Array.of(2n, 0n).buffer) });

const pack = (fields: Record<string, unknown>): Uint8Array => packr.pack(new Map(Object.entries(fields)));
const post = (fields: Record<string, unknown>): ReturnType<Service['post']> =>
  service.post(pack(fields), { type: MSGPACK });

afterEach(async () => {
  const { status, body } = await post({ label, logits: array() });
  expect([status, body.loss], 'the service stays up').toEqual([200, expect.closeTo(0.9795257, 6)]);
});

const REFUSALS: Record<string, { changes: Record<string, unknown>; code?: string; pointer?: string; says: string[] }> =
  {
    'a scalar': {
      changes: { nd: false, kind: undefined, shape: undefined },
      pointer: '/nd',
      says: ['is a NumPy scalar, expected an array', 'numpy.asarray'],
    },
    'nd that is no boolean': { changes: { nd: 2 }, pointer: '/nd', says: ['a map with 2 as nd'] },
    'a pickle, by its kind': { changes: { kind: Buffer.from('O') }, pointer: '/kind', says: ['kind is "O"', 'pickle'] },
    'a pickle, as the library sends it': {
      changes: { type: [['', '|O']], kind: Buffer.from('O'), data: Buffer.from('80049502', 'hex') },
      pointer: '/type',
      says: ['[["","|O"]]', 'comes as a pickle', 'never run'],
    },
    'a pickle, by its type': { changes: { type: '|O' }, pointer: '/type', says: ['"|O"', 'pickle'] },
    'an unknown kind': {
      changes: { kind: Buffer.from('Z') },
      pointer: '/kind',
      says: ['kind is "Z"', 'expected "" or "V"'],
    },
    'a structure': {
      changes: {
        type: [
          ['x', '<f4'],
          ['y', '<f4'],
        ],
        kind: Buffer.from('V'),
      },
      pointer: '/type',
      says: ['[["x","<f4"],["y","<f4"]]', 'expected one of <f2, <f4, <f8'],
    },
    'a structure of one field': {
      changes: { type: [['x', '<f4']], kind: Buffer.from('V') },
      pointer: '/type',
      says: ['[["x","<f4"]]'],
    },
    ...Object.fromEntries(
      ['>f2', '>f4', '>f8', '>i2', '>i4', '>i8', '>u4'].map((type) => [
        `the type ${type}`,
        {
          changes: { type },
          pointer: '/type',
          says: [`type is "${type}", expected "<${type.slice(1)}"`, 'big-endian', `.astype("<${type.slice(1)}")`],
        },
      ]),
    ),
    ...Object.fromEntries(
      [
        '<U5',
        '|S3',
        '<c8',
        '<c16',
        '<f16',
        '<M8[ns]',
        '<m8[us]',
        '|V1',
        '<V4',
        'f4',
        'float32',
        '',
        '>V2',
        4,
        null,
      ].map((type) => [
        `the type ${JSON.stringify(type)}`,
        {
          changes: { type },
          pointer: '/type',
          says: [`type is ${JSON.stringify(type)}`, 'expected one of <f2, <f4, <f8'],
        },
      ]),
    ),
    'no type': { changes: { type: undefined }, says: ['has no type', 'nd, type, kind, shape, data'] },
    'no shape': { changes: { shape: undefined }, says: ['has no shape', 'nd, type, kind, shape, data'] },
    'no data': { changes: { data: undefined }, says: ['has no data', 'nd, type, kind, shape, data'] },
    'no nd': {
      changes: { nd: undefined },
      code: 'unknown_field',
      pointer: '/type',
      says: ['unknown key "type"', 'did you mean dtype?'],
    },
    'a dtype beside': {
      changes: { dtype: 'bfloat16' },
      code: 'unknown_field',
      pointer: '/dtype',
      says: ['unknown key "dtype"', 'nd, type, kind, shape, data'],
    },
    'a key that nobody knows': {
      changes: { strides: [4] },
      code: 'unknown_field',
      pointer: '/strides',
      says: ['unknown key "strides"'],
    },
    'a negative size': { changes: { shape: [-2, 3] }, pointer: '/shape', says: ['shape is [-2,3]'] },
    'data that is too short': {
      changes: { data: float32.subarray(4), type: '<f4', shape: [2, 3] },
      pointer: '/data',
      says: ['20 bytes', '(2, 3)', '24 bytes'],
    },
    'data that is text': { changes: { data: '\0\0' }, pointer: '/data', says: ['not base64'] },
  };

describe.each(['logits', 'label'])('%s', (field) => {
  test.each(Object.entries(REFUSALS))('%s', async (_name, { changes, code = 'invalid_tensor', pointer = '', says }) => {
    const other = field === 'logits' ? { label } : { logits: array() };
    const wrong = { [field]: array(changes) };
    for (const request of [
      { ...other, ...wrong },
      { ...wrong, ...other },
    ]) {
      const answer = await post(request);
      expect([answer.status, answer.body.code], answer.body.detail).toEqual([422, code]);
      for (const part of says) expect(answer.body.detail).toContain(part);
      expect(answer.body.errors?.map((error) => error.pointer)).toEqual([`/${field}${pointer}`]);
    }
  });
});

test('a key that comes twice is refused', async () => {
  const twice = Buffer.concat([
    Buffer.from([0x81, ...packr.pack('logits'), 0x82]),
    ...[1, 2].flatMap(() => [packr.pack(Buffer.from('nd')), packr.pack(true)]),
  ]);
  const { body } = await service.post(twice, { type: MSGPACK });
  expect([body.code, body.detail]).toEqual(['malformed_body', 'the field "logits.nd" comes twice']);
});

test.each([
  [
    'an option',
    { options: { label_smoothing: array({ nd: false, shape: undefined, kind: undefined }) } },
    'invalid_option',
  ],
  ['options', { options: array() }, 'invalid_option'],
])('an array or a scalar as %s is refused with what came', async (_name, fields, code) => {
  const { status, body } = await post({ ...fields, label, logits: array() });
  expect([status, body.code]).toEqual([422, code]);
  expect(body.detail).toContain('nd');
});

test.each([
  ['<f4', Float32Array.of(0.25)],
  ['<f8', Float64Array.of(0.25)],
  ['<f2', Float16Array.of(0.25)],
])('a scalar of %s as an option is its number', async (type, numbers) => {
  const scalar = array({ nd: false, shape: undefined, kind: undefined, type, data: new Uint8Array(numbers.buffer) });
  const { body } = await post({ options: { label_smoothing: scalar }, label, logits: array() });
  const plain = await post({ options: { label_smoothing: 0.25 }, label, logits: array() });
  expect(body.loss).toBe(plain.body.loss);
});

test('integers and truths of NumPy are option values, in lists and maps too', async () => {
  const scalar = (type: string, data: ArrayBufferView): unknown =>
    array({ nd: false, shape: undefined, kind: undefined, type, data: Buffer.from(data.buffer) });
  const options = {
    ignore_index: [scalar('<i8', BigInt64Array.of(-100n)), scalar('|i1', Int8Array.of(2))],
    calculate_per_token_loss: scalar('|b1', Uint8Array.of(1)),
    parallel_config: new Map([['model_parallel', scalar('<u2', Uint16Array.of(3))]]),
    max_locations: scalar('<u4', Uint32Array.of(4)),
  };
  const { status, body } = await post({ options, label, logits: array() });
  expect([status, body.rows], body.detail).toEqual([200, { total: 2, counted: 1, ignored: 1, masked: 0 }]);
  expect(body).not.toHaveProperty('loss');
});

test.each(['logits', 'label'])('bytes of %s that MessagePack has as str are refused by that name', async (field) => {
  const raw = Buffer.from(Float32Array.of(1, -2, 3, 0.1, 1, 0).buffer);
  const str = Buffer.concat([Buffer.of(0xd9, raw.byteLength), raw]);
  const head = packr.pack(
    new Map<string, unknown>([
      ['dtype', 'float32'],
      ['shape', [2, 3]],
    ]),
  );
  const tensor = Buffer.concat([Buffer.of(0x83), head.subarray(1), packr.pack('data'), str]);
  const other = field === 'logits' ? ['label', label] : ['logits', array()];
  const body = Buffer.concat([Buffer.of(0x82), packr.pack(other[0]), packr.pack(other[1]), packr.pack(field), tensor]);
  const answer = await service.post(body, { type: MSGPACK });
  expect(answer.status).toBe(422);
  expect(answer.body.detail).toContain('use_bin_type=True');
});

test('arrays that wait for the label are held within the bound', async () => {
  const large = array({ shape: [400, 1000], data: new Uint8Array(1_600_000) });
  const labels = array({ type: '<i4', shape: [400], data: new Uint8Array(1600) });
  const refused = await post({ logits: large, label: labels });
  expect([refused.status, refused.body.code]).toEqual([413, 'body_too_large']);
  expect((await post({ label: labels, logits: large })).status).toBe(200);
});

test('maps nested 200,000 times with keys that are bin are refused', async () => {
  const deep = Buffer.concat([Buffer.of(0x81), packr.pack('label'), Buffer.alloc(600_000, Buffer.of(0x81, 0xc4, 0))]);
  const { status, body } = await service.post(deep, { type: MSGPACK });
  expect([status, body.code]).toEqual([400, 'malformed_body']);
});
