/** Decodes bodies of replies to the values that the schemas of the document describe. */
import { gunzipSync, inflateSync } from 'node:zlib';
import { Unpackr } from 'msgpackr';
import { DTYPES, DTYPE_BYTES, ELEMENT_TYPES, isDType } from '../../src/tensor/dtype.ts';
import type { DType } from '../../src/tensor/dtype.ts';
import { numbersOf } from '../../src/tensor/tensor.ts';
import { readSafetensors } from '../safetensors-file.ts';
import type { Reply } from './recordings.ts';

const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: false });

/** Number of elements of a MessagePack tensor that are checked. All elements have the same dtype. */
const MOST_ELEMENTS = 4096;

const DECODERS: Readonly<Record<string, (bytes: Buffer) => Buffer>> = { gzip: gunzipSync, deflate: inflateSync };

/** @throws Error for a body that does not match its media type */
export function readBody(mediaType: string, { headers, body }: Reply & { body: Buffer }): unknown {
  const encoding = headers['content-encoding'];
  const bytes = encoding === undefined ? body : DECODERS[encoding as string]!(body);
  if (/^application\/(?:\w+\+)?json$/.test(mediaType)) return JSON.parse(bytes.toString());
  if (mediaType.endsWith('msgpack')) return describedValue(unpackr.unpack(bytes));
  if (mediaType === 'application/octet-stream') {
    // Open Inference Protocol: binary tensors follow the JSON.
    return JSON.parse(bytes.toString('utf8', 0, Number(headers['inference-header-content-length'])));
  }
  if (mediaType === 'application/vnd.safetensors') readSafetensors(bytes);
  return bytes.toString('latin1');
}

/**
 * Converts a MessagePack value to the JSON form of the document. Numbers that JSON cannot represent become text. Tensors,
 * and arrays of msgpack-numpy, become tensors with an array of elements.
 */
function describedValue(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (Array.isArray(value)) return value.map(describedValue);
  if (!(value instanceof Map)) return value;
  const fields = new Map([...(value as Map<unknown, unknown>)].map(([key, inner]) => [textOf(key), inner]));
  const bytes = fields.get('data');
  if (!(bytes instanceof Uint8Array)) {
    return Object.fromEntries([...fields].map(([key, inner]) => [key, describedValue(inner)]));
  }
  const { nd, type, kind: _kind, dtype, ...others } = Object.fromEntries(fields);
  return { ...others, ...tensorOf(nd === true ? dtypeOf(type) : dtype, fields.get('shape') as number[], bytes) };
}

function tensorOf(dtype: unknown, shape: readonly number[], bytes: Uint8Array): object {
  if (!isDType(dtype)) throw new Error(`a tensor has the dtype ${String(dtype)}`);
  const width = DTYPE_BYTES[dtype];
  const expected = shape.reduce((product, size) => product * size, width);
  if (bytes.byteLength !== expected) {
    throw new Error(`a tensor of shape ${shape.join('×')} and ${dtype} has ${bytes.byteLength} bytes`);
  }
  const data = bytes.subarray(0, MOST_ELEMENTS * width);
  return {
    dtype,
    shape,
    data: Array.from(numbersOf({ dtype, shape: [data.byteLength / width], data }), describedValue),
  };
}

function dtypeOf(type: unknown): DType | undefined {
  return DTYPES.find((dtype) => ELEMENT_TYPES[dtype].numpy === type);
}

function textOf(key: unknown): string {
  return key instanceof Uint8Array ? Buffer.from(key).toString() : String(key);
}
