/** Every way to write a request, for tests that hold for all of them. A new format is one entry of FORMATS. */
import { Packr } from 'msgpackr';
import { BATCH_TENSORS } from '../../src/batch/header.ts';
import { FLOAT8_DTYPES } from '../../src/tensor/dtype.ts';
import type { DType } from '../../src/tensor/dtype.ts';
import { elementsOf, numbersOf } from '../../src/tensor/tensor.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { jsonCodec } from '../../src/wire/json/codec.ts';
import { msgpackCodec } from '../../src/wire/msgpack/codec.ts';
import { OpenInferenceCodec } from '../../src/wire/open-inference/codec.ts';
import type { Codec } from '../../src/wire/request.ts';
import { safetensorsCodec } from '../../src/wire/safetensors/codec.ts';
import { inferenceBody } from '../open-inference.ts';
import { safetensorsFile } from '../safetensors-file.ts';

/** Fields of a request, under their names on the wire. */
export interface Batch {
  logits: Tensor;
  label: Tensor;
  input_mask?: Tensor;
  weight?: Tensor;
  options?: unknown;
  vocab_start?: number;
  vocab_size?: number;
}

/** Fields in the order of writing. */
type Order = readonly (keyof Batch)[];

interface Format {
  readonly name: string;
  /** Encodes a request, and selects its codec. Fields that the batch lacks are left out. */
  encode(batch: Batch, order: Order): { codec: Codec; body: Uint8Array };
  /** True when logits that come last are passed on as they arrive. */
  readonly streams: boolean;
  /** True when outputs are returned as msgpack-numpy arrays. */
  readonly numpyArrays: boolean;
  /** True when integers beyond 2^53 keep their value. */
  readonly exactIntegers: boolean;
  /** Dtypes that the format cannot name. */
  readonly nameless?: readonly DType[];
}

const packr = new Packr({ useRecords: false, variableMapSize: true });

export const FORMATS: readonly Format[] = [
  messagePack('MessagePack', (tensor) => tensor),
  messagePack('MessagePack, data before its shape', ({ dtype, shape, data }) => ({ data, shape, dtype }), {
    streams: false,
  }),
  messagePack('msgpack-numpy', (tensor) => toNumpy(tensor), { numpyArrays: true, nameless: FLOAT8_DTYPES }),
  messagePack('msgpack-numpy with keys that are str', (tensor) => toNumpy(tensor, String), {
    numpyArrays: true,
    nameless: FLOAT8_DTYPES,
  }),
  messagePack(
    'msgpack-numpy for label, mask and weight',
    (tensor, name) => (name === 'logits' ? tensor : toNumpy(tensor)),
    { nameless: FLOAT8_DTYPES },
  ),
  json('JSON with base64', (tensor) => ({ ...tensor, data: Buffer.from(tensor.data).toString('base64') }), {
    exactIntegers: true,
  }),
  json('JSON with arrays', (tensor) => ({ ...tensor, data: toNumbers(tensor) }), { exactIntegers: false }),
  safetensors('safetensors', (entries) => entries),
  safetensors('safetensors, its header in another order than the bytes', (entries) => entries.toReversed()),
  openInference('Open Inference, binary', { binary: true, streams: true, exactIntegers: true }),
  openInference('Open Inference, JSON', { binary: false, streams: false, exactIntegers: false }),
];

function messagePack(
  name: string,
  encodeTensor: (tensor: Tensor, name: string) => unknown,
  traits: Partial<Format> = {},
): Format {
  return {
    name,
    encode: (batch, order) => ({
      codec: msgpackCodec,
      body: packr.pack(new Map(fieldsOf(batch, order, encodeTensor))),
    }),
    ...{ streams: true, numpyArrays: false, exactIntegers: true },
    ...traits,
  };
}

function json(name: string, encodeTensor: (tensor: Tensor) => unknown, traits: Pick<Format, 'exactIntegers'>): Format {
  return {
    name,
    encode: (batch, order) => ({
      codec: jsonCodec,
      body: Buffer.from(JSON.stringify(Object.fromEntries(fieldsOf(batch, order, encodeTensor)))),
    }),
    ...{ streams: false, numpyArrays: false },
    ...traits,
  };
}

function safetensors(name: string, arrange: <T>(entries: T[]) => T[]): Format {
  return {
    name,
    encode(batch, order) {
      const fields = fieldsOf(batch, order, (tensor) => tensor);
      const tensors = fields.filter((field): field is [string, Tensor] => field[0] in TENSOR_NAMES);
      const metadata = fields.filter(([field]) => !(field in TENSOR_NAMES));
      const texts = metadata.map(([field, value]) => [field, JSON.stringify(value)]);
      return {
        codec: safetensorsCodec,
        body: safetensorsFile(tensors, { format: 'lossmeter', ...Object.fromEntries(texts) }, arrange),
      };
    },
    ...{ streams: true, numpyArrays: false, exactIntegers: true },
  };
}

/** Open Inference format. Fields other than tensors are parameters; lists and maps are JSON text. */
function openInference(
  name: string,
  { binary, ...traits }: Pick<Format, 'streams' | 'exactIntegers'> & { binary: boolean },
): Format {
  return {
    name,
    encode(batch, order) {
      const fields = fieldsOf(batch, order, (tensor) => tensor);
      const inputs = fields
        .filter((field): field is [string, Tensor] => field[0] in TENSOR_NAMES)
        .map(([field, tensor]) => ({ name: field, tensor, binary }));
      const { options, ...others } = Object.fromEntries(fields.filter(([field]) => !(field in TENSOR_NAMES)));
      const parameters = Object.entries({ ...(options as object), ...others }).map(([field, value]) => [
        field,
        typeof value === 'object' ? JSON.stringify(value) : (value as unknown),
      ]);
      const hasParameters = parameters.length > 0 || options !== undefined;
      const { jsonBytes, body } = inferenceBody(
        inputs,
        hasParameters ? { parameters: Object.fromEntries(parameters) } : {},
      );
      const names = { inputs: BATCH_TENSORS, always: ['loss'], optional: ['lse'] };
      return { codec: new OpenInferenceCodec({ jsonBytes: binary ? jsonBytes : undefined, names }), body };
    },
    numpyArrays: false,
    nameless: FLOAT8_DTYPES,
    ...traits,
  };
}

const TENSOR_NAMES = { logits: true, label: true, input_mask: true, weight: true };

/** The fields that a batch has, in an order. */
function fieldsOf(
  batch: Batch,
  order: Order,
  encodeTensor: (tensor: Tensor, name: string) => unknown,
): [name: string, value: unknown][] {
  return order
    .filter((name) => batch[name] !== undefined)
    .map((name) => [name, name in TENSOR_NAMES ? encodeTensor(batch[name] as Tensor, name) : batch[name]]);
}

const NUMPY_TYPES: Partial<Record<DType, unknown>> = {
  float16: '<f2',
  // NumPy has no name for bfloat16. This is the type of array.view('V2').
  bfloat16: [['', '|V2']],
  float32: '<f4',
  float64: '<f8',
  int8: '|i1',
  int16: '<i2',
  int32: '<i4',
  int64: '<i8',
  uint8: '|u1',
  uint16: '<u2',
  uint32: '<u4',
  uint64: '<u8',
  bool: '|b1',
};

/** A tensor in the form that msgpack_numpy.encode makes from an ndarray. Its keys have the type bin. */
export function toNumpy(
  { dtype, shape, data }: Tensor,
  keyOf: (key: string) => unknown = (key) => Buffer.from(key),
): Map<unknown, unknown> {
  return new Map<unknown, unknown>([
    [keyOf('nd'), true],
    [keyOf('type'), NUMPY_TYPES[dtype]],
    [keyOf('kind'), Buffer.from(dtype === 'bfloat16' ? 'V' : '')],
    [keyOf('shape'), shape],
    [keyOf('data'), data],
  ]);
}

/** Makes a JSON number from its digits. TypeScript does not declare JSON.rawJSON yet. */
const rawJson = (JSON as unknown as { rawJSON: (text: string) => unknown }).rawJSON;

/** Entries in the form of JSON: -0 keeps its sign, NaN and infinities are text. */
function toNumbers(tensor: Tensor): unknown[] {
  if (tensor.dtype === 'int64' || tensor.dtype === 'uint64') {
    return Array.from(elementsOf(tensor as Tensor<'int64'>), (value) => rawJson(String(value)));
  }
  return Array.from(numbersOf(tensor), (value) => {
    if (!Number.isFinite(value)) return String(value);
    return Object.is(value, -0) ? rawJson('-0') : value;
  });
}
