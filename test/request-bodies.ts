/** Writers of request bodies. Tensors of a value are bytes or lists, which each format writes in its own form. */
import { deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { Packr } from 'msgpackr';
import { elementsOf, isTensor } from '../src/tensor/tensor.ts';
import type { Tensor } from '../src/tensor/tensor.ts';
import { ELEMENT_TYPES } from '../src/tensor/dtype.ts';
import { safetensorsFile } from './safetensors-file.ts';
import { toNumpy } from './wire/formats.ts';

/** A body with its headers, and the value that the schema of its media type describes. */
export interface Encoded {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly described: unknown;
}

type Fields = Readonly<Record<string, unknown>>;

const packr = new Packr({ useRecords: false, variableMapSize: true });

/** Writers of a batch, or of any other map of fields, by the name that tests show. */
export const WRITERS = {
  json: (fields: Fields) => written('application/json', jsonOf(fields), fields),
  'json lists': (fields: Fields) => {
    const described = mapTensors(fields, ({ dtype, shape, data }) => ({ dtype, shape, data: listOf({ dtype, data }) }));
    return written('application/json', jsonOf(described), described);
  },
  msgpack: (fields: Fields) => written('application/vnd.msgpack', packr.pack(fields), fields),
  'msgpack numpy': (fields: Fields) =>
    written('application/msgpack', packr.pack(mapTensors(fields, (tensor) => toNumpy(tensor))), fields),
  safetensors: (fields: Fields) => {
    const body = fileOf(fields);
    return written('application/vnd.safetensors', body, body);
  },
  'octet-stream': (fields: Fields) => {
    const body = fileOf(fields);
    return written('application/octet-stream', body, body);
  },
} satisfies Record<string, (fields: Fields) => Encoded>;

export type Writer = keyof typeof WRITERS;

/** Writers of the Open Inference Protocol: tensors are in the JSON, or binary after it. */
export const INFERENCE_WRITERS = {
  json: (fields: Fields) => written('application/json', jsonOf(fields), fields),
  binary: ({ inputs, ...others }: Fields) => {
    const given = inputs as (Fields | InferenceInput)[];
    const described = { ...others, inputs: given.map((input) => ('bytes' in input ? behindJson(input) : input)) };
    const json = jsonOf(described);
    const body = Buffer.concat([json, ...given.flatMap(({ bytes }) => (bytes as Uint8Array | undefined) ?? [])]);
    const encoded = written('application/octet-stream', body, described);
    return { ...encoded, headers: { ...encoded.headers, 'inference-header-content-length': String(json.byteLength) } };
  },
} satisfies Record<string, (fields: Fields) => Encoded>;

function behindJson({ data: _data, bytes, parameters, ...input }: InferenceInput | Fields): Fields {
  return { ...input, parameters: { binary_data_size: (bytes as Uint8Array).byteLength, ...(parameters as object) } };
}

export const COMPRESSIONS = { gzip: gzipSync, deflate: deflateSync, zstd: zstdCompressSync } as const;

export type Compression = keyof typeof COMPRESSIONS;

export function compressed(encoded: Encoded, compression: Compression): Encoded {
  const body = COMPRESSIONS[compression](encoded.body);
  return { ...encoded, headers: { ...encoded.headers, 'content-encoding': compression }, body };
}

/** An input of the Open Inference Protocol, with its elements in both forms. */
export interface InferenceInput extends Fields {
  readonly data: readonly number[];
  readonly bytes: Uint8Array;
  readonly parameters?: object;
}

export function inferenceInput(name: string, { dtype, shape, data }: Tensor): InferenceInput {
  return { name, shape, datatype: ELEMENT_TYPES[dtype].openInference, data: listOf({ dtype, data }), bytes: data };
}

function written(mediaType: string, body: Uint8Array, described: unknown): Encoded {
  return { headers: { 'content-type': mediaType }, body, described };
}

/** Writes JSON, with bytes as base64. */
function jsonOf(value: unknown): Buffer {
  return Buffer.from(
    JSON.stringify(value, (name, inner: unknown) => {
      // Bytes of an input of the Open Inference Protocol are not in the JSON.
      if (name === 'bytes' && inner instanceof Uint8Array) return undefined;
      return inner instanceof Uint8Array ? Buffer.from(inner).toString('base64') : inner;
    }),
  );
}

function fileOf(fields: Fields): Buffer {
  const tensors = Object.entries(fields).filter((entry): entry is [string, Tensor] => isTensor(entry[1]));
  const others = Object.entries(fields).filter(([, value]) => !isTensor(value));
  return safetensorsFile(tensors, Object.fromEntries(others.map(([name, value]) => [name, JSON.stringify(value)])));
}

function mapTensors(fields: Fields, change: (tensor: Tensor) => unknown): Fields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, isTensor(value) ? change(value) : value]),
  );
}

/** Entries of a tensor of any dtype except bfloat16. */
function listOf({ dtype, data }: Pick<Tensor, 'dtype' | 'data'>): number[] {
  return Array.from<number | bigint, number>(elementsOf({ dtype, shape: [], data }), Number);
}
