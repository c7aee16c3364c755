import { Packr } from 'msgpackr';
import { ELEMENT_TYPES } from '../../tensor/dtype.ts';
import { containsTensor, isTensor } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { NUMPY_KEYS } from './numpy.ts';
import { joinSmall } from '../reply.ts';
import type { ReplyStyle } from '../reply.ts';

const packr = new Packr({ useRecords: false, variableMapSize: true });

/**
 * Encodes an answer as MessagePack, in parts. msgpackr packs the small values; the bytes of large tensors are not copied.
 * Numbers that are not integers are float64.
 */
export function packReply(value: object, { numpyArrays }: ReplyStyle): Uint8Array[] {
  const parts: Uint8Array[] = [];
  appendValue(parts, value, numpyArrays ? appendNumpyArray : appendMap);
  return joinSmall(parts);
}

/** Appends a tensor. */
type AppendTensor = (parts: Uint8Array[], tensor: Tensor) => void;

function appendValue(parts: Uint8Array[], value: unknown, appendTensor: AppendTensor): void {
  if (isTensor(value)) {
    appendTensor(parts, value);
    return;
  }
  if (!containsTensor(value)) {
    parts.push(new Uint8Array(packr.pack(value)));
    return;
  }
  const entries = Object.entries(value as object).filter(([, inner]) => inner !== undefined);
  parts.push(mapHead(entries.length));
  for (const [key, inner] of entries) {
    parts.push(new Uint8Array(packr.pack(key)));
    appendValue(parts, inner, appendTensor);
  }
}

/** Appends {dtype, shape, data}. */
function appendMap(parts: Uint8Array[], { dtype, shape, data }: Tensor): void {
  parts.push(mapHead(3));
  for (const value of ['dtype', dtype, 'shape', shape, 'data']) parts.push(new Uint8Array(packr.pack(value)));
  appendBin(parts, data);
}

/** Appends {b'nd': True, b'type', b'kind': b'', b'shape', b'data'}, which msgpack_numpy.decode converts to an ndarray. */
function appendNumpyArray(parts: Uint8Array[], { dtype, shape, data }: Tensor): void {
  const values = { nd: true, type: ELEMENT_TYPES[dtype].numpy, kind: new Uint8Array(0), shape, data };
  parts.push(mapHead(NUMPY_KEYS.length));
  for (const key of NUMPY_KEYS) {
    const value = values[key];
    appendBin(parts, Buffer.from(key));
    if (value instanceof Uint8Array) appendBin(parts, value);
    else parts.push(new Uint8Array(packr.pack(value)));
  }
}

function mapHead(length: number): Uint8Array {
  return head(length, { fixed: 0x80, fixedBelow: 16, types: [undefined, 0xde, 0xdf] });
}

function appendBin(parts: Uint8Array[], bytes: Uint8Array): void {
  parts.push(head(bytes.byteLength, { types: [0xc4, 0xc5, 0xc6] }), bytes);
}

/** Encodes a type byte and a length, in the shortest form of the type. */
function head(
  length: number,
  { fixed, fixedBelow = 0, types }: { fixed?: number; fixedBelow?: number; types: (number | undefined)[] },
): Uint8Array {
  if (fixed !== undefined && length < fixedBelow) return Uint8Array.of(fixed | length);
  const bytes = new DataView(new ArrayBuffer(5));
  const [of8, of16, of32] = types;
  if (of8 !== undefined && length < 2 ** 8) return Uint8Array.of(of8, length);
  if (length < 2 ** 16) {
    bytes.setUint8(0, of16!);
    bytes.setUint16(1, length);
    return new Uint8Array(bytes.buffer, 0, 3);
  }
  bytes.setUint8(0, of32!);
  bytes.setUint32(1, length);
  return new Uint8Array(bytes.buffer);
}
