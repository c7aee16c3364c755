import { LossmeterError } from '../errors.ts';
import { requireEnd, truncated } from './byte-reader.ts';
import type { ByteReader } from './byte-reader.ts';
import { isReferenceKey, openReference, readReferences, unknownReferenceKey } from './file-reference.ts';
import { formatOf } from './msgpack-extent.ts';
import { parseValue, readValue } from './msgpack-value.ts';
import { HeldRuns, STREAMING_ADVICE, free } from './held-bytes.ts';
import {
  duplicateField,
  logitsFrom,
  logitsOf,
  makeHeader,
  missingField,
  requireRequestField,
  tookWithoutTensors,
} from './request.ts';
import type { Codec, DecodeContext, LogitsWriter, RequestHeader } from './request.ts';
import { TENSOR_FIELDS } from './request-fields.ts';
import { TensorMap } from './tensor-map.ts';
import { requireByteLength, requireLogitsDType, tensorFromValue } from './tensor-value.ts';

/**
 * MessagePack requests. The map is walked as it arrives: what is small is cut out and read by msgpackr, and the bytes
 * of `logits.data` are handed on in the runs in which they come, as soon as all other fields are known. When fields
 * follow the logits, these wait in bounded memory.
 */
export const msgpackCodec: Codec = {
  name: 'msgpack',
  mediaTypes: ['application/vnd.msgpack', 'application/msgpack', 'application/x-msgpack'],
  decode: (reader, context) => new MsgpackRequest(reader, context).decode(),
  values: {
    maxBytes: () => Infinity,
    parse: parseValue,
  },
};

class MsgpackRequest {
  readonly #reader: ByteReader;
  readonly #context: DecodeContext;
  readonly #fields = new Map<string, unknown>();
  /** The logits, when fields that follow them have to be known first. */
  #heldLogits: { logits: RequestHeader['logits']; runs: Uint8Array[] } | undefined;
  /** What names logits that stand in a file. */
  #reference: object | undefined;
  /** Whether the logits are an array of msgpack-numpy. */
  #numpyArrays = false;

  constructor(reader: ByteReader, context: DecodeContext) {
    this.#reader = reader;
    this.#context = context;
  }

  async decode(): Promise<void> {
    let streamed = false;
    for (let missing = await this.#readMapLength('the request'); missing > 0; missing--) {
      const field = requireRequestField(await this.#readValue('a field name'), this.#context);
      if (this.#fields.has(field)) throw duplicateField(field);
      if (field !== 'logits') {
        this.#fields.set(field, withoutNumpy(field, await this.#readValue(field)));
        continue;
      }
      this.#fields.set('logits', undefined);
      streamed = await this.#readLogits(missing === 1);
    }
    await requireEnd(this.#reader);
    if (streamed) return;

    if (tookWithoutTensors(Object.fromEntries(this.#fields), this.#context)) return;
    if (!this.#fields.has('logits')) throw missingField('logits');
    if (this.#reference !== undefined) {
      const source = await openReference('logits', this.#reference, this.#context);
      await this.#begin(logitsFrom(source!));
      return;
    }
    const { logits, runs } = this.#heldLogits!;
    const writer = await this.#begin(logits);
    for (const run of runs) {
      await writer.write(run);
      free(run);
    }
  }

  async #begin(logits: RequestHeader['logits']): Promise<LogitsWriter> {
    const fields = await readReferences(Object.fromEntries(this.#fields), this.#context);
    const header = makeHeader(logits, fields, this.#context);
    return this.#context.begin({ ...header, numpyArrays: this.#numpyArrays });
  }

  /**
   * Reads the value of `logits`.
   * @param last whether no field follows
   * @returns whether the bytes were handed on; else they are held
   */
  async #readLogits(last: boolean): Promise<boolean> {
    const type = (await this.#reader.peek())?.[0];
    if (type === undefined || formatOf(type).counts !== 'pairs') {
      this.#holdArray(await this.#readValue('logits'));
      return false;
    }

    const map = new TensorMap('logits');
    let entries: unknown;
    let data: { byteLength: number; runs: Uint8Array[] } | undefined;
    const pairs = await this.#readMapLength('logits');
    for (let missing = pairs; missing > 0; missing--) {
      const name = await this.#readValue('a key of logits');
      if (isReferenceKey(name) && missing === pairs) {
        this.#reference = await this.#readMap(name, pairs);
        return false;
      }
      const key = map.next(name);
      if (key !== 'data') {
        map.set(key, await this.#readValue(`logits.${key}`));
        continue;
      }
      const byteLength = await this.#readBinLength();
      if (byteLength === undefined) {
        // Not bin: an array of numbers. Small enough to wait, or refused by the bound on held bytes.
        entries = await this.#readValue('logits.data');
      } else if (last && missing === 1) {
        const writer = await this.#begin(this.#finishLogits(map, byteLength));
        await this.#reader.forward(byteLength, 'logits.data', (run) => writer.write(run));
        return true;
      } else {
        const { dtype, shape } = map.known;
        if (dtype !== undefined && shape !== undefined) requireByteLength('logits', dtype, shape, byteLength);
        data = { byteLength, runs: await this.#hold(byteLength) };
      }
    }
    if (data === undefined && entries !== undefined) {
      map.requireOneForm();
      this.#holdArray({ ...map.known, data: entries });
    } else {
      this.#heldLogits = { logits: this.#finishLogits(map, data?.byteLength ?? 0), runs: data?.runs ?? [] };
    }
    return false;
  }

  /** Reads a map of plain values, the first name of which was read already. */
  async #readMap(first: string, pairs: number): Promise<object> {
    const map = new Map<string, unknown>([[first, await this.#readValue(`logits.${first}`)]]);
    for (let missing = pairs - 1; missing > 0; missing--) {
      const name = await this.#readValue('a key of logits');
      if (!isReferenceKey(name)) throw unknownReferenceKey('logits', name);
      if (map.has(name)) throw duplicateField(`logits.${name}`);
      map.set(name, await this.#readValue(`logits.${name}`));
    }
    return Object.fromEntries(map);
  }

  /** @throws LossmeterError when the map is not complete, or not filled by so many bytes */
  #finishLogits(map: TensorMap, byteLength: number): RequestHeader['logits'] {
    const { dtype, shape } = map.finish();
    const logits = { dtype: requireLogitsDType(dtype), shape };
    requireByteLength('logits', dtype, shape, byteLength);
    this.#requireAnnounced(byteLength);
    this.#numpyArrays = map.isNumpy;
    return logits;
  }

  /** Holds logits that came as an array of numbers. */
  #holdArray(value: unknown): void {
    const tensor = tensorFromValue('logits', value);
    this.#heldLogits = { logits: logitsOf(tensor), runs: [tensor.data] };
  }

  /** Refuses at once what cannot come: memory is taken for rows before their bytes have come. */
  #requireAnnounced(byteLength: number): void {
    const { contentLength } = this.#context;
    if (contentLength !== undefined && byteLength > contentLength)
      throw truncated('logits.data', byteLength, contentLength);
  }

  async #hold(byteLength: number): Promise<Uint8Array[]> {
    const held = new HeldRuns(this.#context.held, 'logits.data', STREAMING_ADVICE);
    await this.#reader.hold(byteLength, 'logits.data', held);
    return held.runs;
  }

  async #readMapLength(what: string): Promise<number> {
    const head = await this.#readHead(what);
    if (head.counts !== 'pairs') {
      throw new LossmeterError('malformed_body', `${what} is MessagePack, but not a map`);
    }
    return head.count;
  }

  /** The length of a bin, whose head is consumed; undefined, with nothing consumed, when the value is not a bin. */
  async #readBinLength(): Promise<number | undefined> {
    const type = (this.#reader.here ?? (await this.#reader.peek()))?.[0];
    if (type === undefined || type < 0xc4 || type > 0xc6) return undefined;
    return (await this.#readHead('logits.data')).count;
  }

  /** Consumes a type byte and the length behind it. */
  async #readHead(what: string): Promise<{ counts: 'bytes' | 'items' | 'pairs'; count: number }> {
    const { lengthBytes, counts, fixed } = formatOf(this.#takeByte() ?? (await this.#readByte(what)));
    let count = 0;
    for (let k = 0; k < lengthBytes; k++) count = count * 256 + (this.#takeByte() ?? (await this.#readByte(what)));
    return { counts, count: count + fixed };
  }

  async #readByte(what: string): Promise<number> {
    if ((await this.#reader.peek()) === undefined) throw truncated(what, 1, 0);
    return this.#takeByte()!;
  }

  /** The next byte, when it is here already: waiting for what is here would take most of a small request's time. */
  #takeByte(): number | undefined {
    const byte = this.#reader.here?.[0];
    if (byte !== undefined) this.#reader.skip(1);
    return byte;
  }

  #readValue(what: string): Promise<unknown> {
    return readValue(this.#reader, this.#context.held, what);
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
