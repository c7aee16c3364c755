import { LossmeterError } from '../../errors.ts';
import { truncated } from '../body/body-errors.ts';
import { peek, runsOf } from '../decoding.ts';
import type { Bytes, Decoded, Decoding } from '../decoding.ts';
import { isReferenceKey, unknownReferenceKey } from '../tensors/file-reference.ts';
import { formatOf } from './extent.ts';
import { CUT, parseValue, readValue, valueHere } from './value.ts';
import { duplicateField, requireRequestField } from '../request.ts';
import type { Codec, DecodeContext } from '../request.ts';
import { isPartOf, isStreamed, isTensorName } from '../request-fields.ts';
import type { TensorName } from '../request-fields.ts';
import { TensorMap } from './tensor-map.ts';
import { requireByteLength, requireDTypeOf, unknownKey } from '../tensors/tensor-value.ts';

/**
 * MessagePack requests. The map is processed as it arrives: msgpackr reads each small value, and the data of a streamed tensor
 * is yielded in runs as received.
 */
export const msgpackCodec: Codec = {
  name: 'msgpack',
  mediaTypes: ['application/vnd.msgpack', 'application/msgpack', 'application/x-msgpack'],
  decode: (bytes, context) => new MsgpackRequest(bytes, context).decode(),
  values: {
    maxBytes: () => Infinity,
    parse: parseValue,
  },
};

class MsgpackRequest {
  readonly #bytes: Bytes;
  readonly #context: DecodeContext;

  constructor(bytes: Bytes, context: DecodeContext) {
    this.#bytes = bytes;
    this.#context = context;
  }

  *decode(): Decoding {
    const names = new Set<string>();
    for (let missing = yield* this.#readMapLength('the request'); missing > 0; missing--) {
      const name = requireRequestField(yield* this.#readValue('a field name'), this.#context.fields);
      if (names.has(name)) throw duplicateField(name);
      names.add(name);
      if (isStreamed(name)) yield* this.#readTensor(name, missing === 1);
      else yield { is: 'field', name, value: withoutNumpy(name, yield* this.#readValue(name)) };
    }
  }

  /** Reads a streamable tensor. @param last true when no field follows */
  *#readTensor(field: TensorName, last: boolean): Decoding {
    const type = (yield* peek(this.#bytes))?.[0];
    if (type === undefined || formatOf(type).counts !== 'pairs') {
      yield { is: 'field', name: field, value: yield* this.#readValue(field) };
      return;
    }
    const data = `${field}.data`;
    const map = new TensorMap(field);
    let entries: unknown;
    let byteLength: number | undefined;
    const pairs = yield* this.#readMapLength(field);
    for (let missing = pairs; missing > 0; missing--) {
      const name = yield* this.#readValue(`a key of ${field}`);
      if (missing === pairs && isPartOf(field, name)) {
        yield { is: 'field', name: field, value: yield* this.#readParts(field, name as string, pairs) };
        return;
      }
      if (missing === pairs && isReferenceKey(field, name)) {
        yield { is: 'field', name: field, value: yield* this.#readReference(field, name, pairs) };
        return;
      }
      const key = map.next(name);
      if (key !== 'data') {
        map.set(key, yield* this.#readValue(`${field}.${key}`));
        continue;
      }
      byteLength = yield* this.#readBinLength(data);
      if (byteLength === undefined) {
        // An array of numbers is buffered, within the limit of held bytes.
        entries = yield* this.#readValue(data);
      } else if (last && missing === 1) {
        yield this.#headOf(field, map, byteLength);
        yield* runsOf(this.#bytes, byteLength, data);
        return;
      } else {
        const { dtype, shape } = map.known;
        if (dtype !== undefined && shape !== undefined) requireByteLength(field, dtype, shape, byteLength);
        yield { is: 'early', what: data };
        yield* runsOf(this.#bytes, byteLength, data);
      }
    }
    if (byteLength === undefined && entries !== undefined) {
      map.requireOneForm();
      yield { is: 'field', name: field, value: { ...map.known, data: entries } };
    } else yield this.#headOf(field, map, byteLength ?? 0);
  }

  /** Reads a map that names a file, after its first key. */
  *#readReference(field: TensorName, first: string, pairs: number): Decoding<object> {
    const map = new Map<string, unknown>([[first, yield* this.#readValue(`${field}.${first}`)]]);
    for (let missing = pairs - 1; missing > 0; missing--) {
      const name = yield* this.#readValue(`a key of ${field}`);
      if (!isReferenceKey(field, name)) throw unknownReferenceKey(field, name);
      if (map.has(name)) throw duplicateField(`${field}.${name}`);
      map.set(name, yield* this.#readValue(`${field}.${name}`));
    }
    return Object.fromEntries(map);
  }

  /** Reads a map of tensors that replaces a tensor, after its first key. */
  *#readParts(field: TensorName, first: string, pairs: number): Decoding<object> {
    const map = new Map<string, unknown>([[first, yield* this.#readPart(field, first)]]);
    for (let missing = pairs - 1; missing > 0; missing--) {
      const name = yield* this.#readValue(`a key of ${field}`);
      if (typeof name !== 'string' || !isPartOf(field, name)) throw unknownKey(field, name);
      if (map.has(name)) throw duplicateField(`${field}.${name}`);
      map.set(name, yield* this.#readPart(field, name));
    }
    return Object.fromEntries(map);
  }

  *#readPart(field: TensorName, key: string): Decoding<unknown> {
    const name = `${field}.${key}`;
    return withoutNumpy(name, yield* this.#readValue(name));
  }

  /** @throws LossmeterError when the map is incomplete, or the bytes do not fill its shape */
  #headOf(field: TensorName, map: TensorMap, byteLength: number): Decoded {
    const { dtype, shape } = map.finish();
    requireByteLength(field, requireDTypeOf(field, dtype), shape, byteLength);
    this.#requireAnnounced(field, byteLength);
    return { is: 'head', name: field, dtype, shape, isNumpy: map.isNumpy };
  }

  /** Fails fast when Content-Length is too small, because memory for rows is allocated before their bytes arrive. */
  #requireAnnounced(field: TensorName, byteLength: number): void {
    const { contentLength } = this.#context;
    if (contentLength !== undefined && byteLength > contentLength)
      throw truncated(`${field}.data`, byteLength, contentLength);
  }

  *#readMapLength(what: string): Decoding<number> {
    const { counts, count } = yield* this.#readHead(what);
    if (counts !== 'pairs') throw new LossmeterError('malformed_body', `${what} is MessagePack, but not a map`);
    return count;
  }

  /** Consumes the head of a bin and returns its length. Returns undefined and consumes nothing if the value is not a bin. */
  *#readBinLength(what: string): Decoding<number | undefined> {
    const type = (yield* peek(this.#bytes))?.[0];
    if (type === undefined || type < 0xc4 || type > 0xc6) return undefined;
    return (yield* this.#readHead(what)).count;
  }

  /** Consumes a type byte and the length after it. */
  *#readHead(what: string): Decoding<{ counts: 'bytes' | 'items' | 'pairs'; count: number }> {
    const { lengthBytes, counts, fixed } = formatOf(this.#takeByte() ?? (yield* this.#readByte(what)));
    let count = 0;
    for (let k = 0; k < lengthBytes; k++) count = count * 256 + (this.#takeByte() ?? (yield* this.#readByte(what)));
    return { counts, count: count + fixed };
  }

  *#readByte(what: string): Decoding<number> {
    if ((yield* peek(this.#bytes)) === undefined) throw truncated(what, 1, 0);
    return this.#takeByte()!;
  }

  /** Consumes the next byte if it was received already. */
  #takeByte(): number | undefined {
    const byte = this.#bytes.here?.[0];
    if (byte !== undefined) this.#bytes.skip(1);
    return byte;
  }

  *#readValue(what: string): Decoding<unknown> {
    const { held } = this.#context;
    const value = valueHere(this.#bytes, held, what);
    return value === CUT ? yield* readValue(this.#bytes, held, what) : value;
  }
}

/** Converts an array of msgpack-numpy to {dtype, shape, data}. Returns other values unchanged. */
function withoutNumpy(field: string, value: unknown): unknown {
  if (!isTensorName(field) || typeof value !== 'object' || value === null || !Object.hasOwn(value, 'nd')) return value;
  const map = new TensorMap(field);
  let data: unknown;
  for (const [name, inner] of Object.entries(value) as [string, unknown][]) {
    const key = map.next(name);
    if (key === 'data') data = inner;
    else map.set(key, inner);
  }
  return { ...map.finish(), data };
}
