import { LossmeterError } from '../../errors.ts';
import { truncated } from '../body/body-errors.ts';
import { peek, runsOf } from '../decoding.ts';
import type { Bytes, Decoded, Decoding } from '../decoding.ts';
import { isReferenceKey, unknownReferenceKey } from '../tensors/file-reference.ts';
import { formatOf } from './extent.ts';
import { CUT, parseValue, readValue, valueHere } from './value.ts';
import { duplicateField, requireRequestField } from '../request.ts';
import type { Codec, DecodeContext } from '../request.ts';
import { TENSOR_FIELDS } from '../request-fields.ts';
import { TensorMap } from './tensor-map.ts';
import { requireByteLength, requireLogitsDType } from '../tensors/tensor-value.ts';

/**
 * MessagePack requests. The map is walked as it arrives: what is small is cut out and read by msgpackr, and the bytes
 * of `logits.data` are runs, in which they come.
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
      const name = requireRequestField(yield* this.#readValue('a field name'), this.#context);
      if (names.has(name)) throw duplicateField(name);
      names.add(name);
      if (name === 'logits') yield* this.#readLogits(missing === 1);
      else yield { is: 'field', name, value: withoutNumpy(name, yield* this.#readValue(name)) };
    }
  }

  /** Reads the value of `logits`. @param last whether no field follows */
  *#readLogits(last: boolean): Decoding {
    const type = (yield* peek(this.#bytes))?.[0];
    if (type === undefined || formatOf(type).counts !== 'pairs') {
      yield { is: 'field', name: 'logits', value: yield* this.#readValue('logits') };
      return;
    }
    const map = new TensorMap('logits');
    let entries: unknown;
    let byteLength: number | undefined;
    const pairs = yield* this.#readMapLength('logits');
    for (let missing = pairs; missing > 0; missing--) {
      const name = yield* this.#readValue('a key of logits');
      if (isReferenceKey(name) && missing === pairs) {
        yield { is: 'field', name: 'logits', value: yield* this.#readReference(name, pairs) };
        return;
      }
      const key = map.next(name);
      if (key !== 'data') {
        map.set(key, yield* this.#readValue(`logits.${key}`));
        continue;
      }
      byteLength = yield* this.#readBinLength();
      if (byteLength === undefined) {
        // Not bin: an array of numbers. Small enough to wait, or refused by the bound on held bytes.
        entries = yield* this.#readValue('logits.data');
      } else if (last && missing === 1) {
        yield this.#headOf(map, byteLength);
        yield* runsOf(this.#bytes, byteLength, 'logits.data');
        return;
      } else {
        const { dtype, shape } = map.known;
        if (dtype !== undefined && shape !== undefined) requireByteLength('logits', dtype, shape, byteLength);
        yield { is: 'early', what: 'logits.data' };
        yield* runsOf(this.#bytes, byteLength, 'logits.data');
      }
    }
    if (byteLength === undefined && entries !== undefined) {
      map.requireOneForm();
      yield { is: 'field', name: 'logits', value: { ...map.known, data: entries } };
    } else yield this.#headOf(map, byteLength ?? 0);
  }

  /** Reads a map that names a file, the first key of which was read already. */
  *#readReference(first: string, pairs: number): Decoding<object> {
    const map = new Map<string, unknown>([[first, yield* this.#readValue(`logits.${first}`)]]);
    for (let missing = pairs - 1; missing > 0; missing--) {
      const name = yield* this.#readValue('a key of logits');
      if (!isReferenceKey(name)) throw unknownReferenceKey('logits', name);
      if (map.has(name)) throw duplicateField(`logits.${name}`);
      map.set(name, yield* this.#readValue(`logits.${name}`));
    }
    return Object.fromEntries(map);
  }

  /** @throws LossmeterError when the map is not complete, or not filled by so many bytes */
  #headOf(map: TensorMap, byteLength: number): Decoded {
    const { dtype, shape } = map.finish();
    requireByteLength('logits', requireLogitsDType(dtype), shape, byteLength);
    this.#requireAnnounced(byteLength);
    return { is: 'logits', dtype, shape, isNumpy: map.isNumpy };
  }

  /** Refuses at once what cannot come: memory is taken for rows before their bytes have come. */
  #requireAnnounced(byteLength: number): void {
    const { contentLength } = this.#context;
    if (contentLength !== undefined && byteLength > contentLength)
      throw truncated('logits.data', byteLength, contentLength);
  }

  *#readMapLength(what: string): Decoding<number> {
    const { counts, count } = yield* this.#readHead(what);
    if (counts !== 'pairs') throw new LossmeterError('malformed_body', `${what} is MessagePack, but not a map`);
    return count;
  }

  /** The length of a bin, whose head is consumed; undefined, with nothing consumed, when the value is not a bin. */
  *#readBinLength(): Decoding<number | undefined> {
    const type = (yield* peek(this.#bytes))?.[0];
    if (type === undefined || type < 0xc4 || type > 0xc6) return undefined;
    return (yield* this.#readHead('logits.data')).count;
  }

  /** Consumes a type byte and the length behind it. */
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

  /** The next byte, when it is here already. */
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

/** A field as any other codec has it: msgpack-numpy's array as {dtype, shape, data}. */
function withoutNumpy(field: string, value: unknown): unknown {
  const isTensorField = (TENSOR_FIELDS as readonly string[]).includes(field);
  if (!isTensorField || typeof value !== 'object' || value === null || !Object.hasOwn(value, 'nd')) return value;
  const map = new TensorMap(field);
  let data: unknown;
  for (const [name, inner] of Object.entries(value) as [string, unknown][]) {
    const key = map.next(name);
    if (key === 'data') data = inner;
    else map.set(key, inner);
  }
  return { ...map.finish(), data };
}
