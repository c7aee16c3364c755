import { Unpackr } from 'msgpackr';
import { LossmeterError } from '../errors.ts';
import type { DType, FloatDType } from '../tensor/dtype.ts';
import type { Shape } from '../tensor/shape.ts';
import { showValue } from '../suggestion.ts';
import { truncated } from './byte-reader.ts';
import type { ByteReader } from './byte-reader.ts';
import { MsgpackExtent, formatOf } from './msgpack-extent.ts';
import { HeldRuns } from './held-bytes.ts';
import type { HeldBytesAccount } from './held-bytes.ts';
import { duplicateField, makeHeader, missingField, requireRequestField } from './request.ts';
import type { Codec, DecodeContext, LogitsWriter } from './request.ts';
import {
  missingKey,
  requireByteLength,
  requireDType,
  requireLogitsDType,
  requireShape,
  requireTensorKey,
  tensorFromValue,
} from './tensor-value.ts';
import type { TensorKey } from './tensor-value.ts';

/**
 * MessagePack requests. The map is walked as it arrives: what is small is cut out and read by msgpackr, and the bytes
 * of `logits.data` are handed on in the runs in which they come, as soon as all other fields are known. When fields
 * follow the logits, these wait in bounded memory.
 */
export const msgpackCodec: Codec = {
  name: 'msgpack',
  mediaTypes: ['application/vnd.msgpack', 'application/msgpack', 'application/x-msgpack'],
  decode: (reader, context) => new MsgpackRequest(reader, context).decode(),
  async decodeValue(reader, { held }) {
    const value = await readValue(reader, held, 'the body');
    await requireEnd(reader);
    return value;
  },
};

/** @throws LossmeterError malformed_body when something follows */
async function requireEnd(reader: ByteReader): Promise<void> {
  const trailing = await reader.peek();
  if (trailing === undefined) return;
  throw new LossmeterError('malformed_body', `${trailing.byteLength} or more bytes follow the end of the request`);
}

/** Cuts the next value out of the stream and reads it. */
async function readValue(reader: ByteReader, account: HeldBytesAccount, what: string): Promise<unknown> {
  const extent = new MsgpackExtent();
  const held = new HeldRuns(account, what);
  while (!extent.done) {
    const chunk = await reader.peek();
    if (chunk === undefined) {
      throw new LossmeterError('truncated_body', `the body ends within ${what}, after ${reader.received} bytes`);
    }
    const length = extent.push(chunk);
    const run = chunk.subarray(0, length);
    reader.skip(length);
    // Most values lie within one chunk, and are read where they lie.
    if (extent.done && held.runs.length === 0) {
      account.take(length, what);
      return unpack(run, what);
    }
    held.push(run);
  }
  return unpack(held.concat(), what);
}

class MsgpackRequest {
  readonly #reader: ByteReader;
  readonly #context: DecodeContext;
  readonly #fields = new Map<string, unknown>();
  /** The logits, when fields that follow them have to be known first. */
  #heldLogits: { dtype: FloatDType; shape: Shape; runs: Uint8Array[] } | undefined;

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
        this.#fields.set(field, await this.#readValue(field));
        continue;
      }
      this.#fields.set('logits', undefined);
      streamed = await this.#readLogits(missing === 1);
    }
    await requireEnd(this.#reader);
    if (streamed) return;

    if (!this.#fields.has('logits')) throw missingField('logits');
    const { dtype, shape, runs } = this.#heldLogits!;
    const writer = this.#begin(dtype, shape);
    for (const run of runs) await writer.write(run);
  }

  #begin(dtype: FloatDType, shape: Shape): LogitsWriter {
    return this.#context.begin(makeHeader({ dtype, shape }, Object.fromEntries(this.#fields), this.#context));
  }

  /**
   * Reads the value of `logits`.
   * @param last whether no field follows
   * @returns whether the bytes were handed on; else they are held
   */
  async #readLogits(last: boolean): Promise<boolean> {
    const type = (await this.#reader.peek())?.[0];
    if (type === undefined || formatOf(type).counts !== 'pairs') {
      const tensor = tensorFromValue('logits', await this.#readValue('logits'));
      this.#heldLogits = { dtype: requireLogitsDType(tensor.dtype), shape: tensor.shape, runs: [tensor.data] };
      return false;
    }

    let dtype: DType | undefined;
    let shape: Shape | undefined;
    let data: { byteLength: number; runs: Uint8Array[] } | undefined;
    const seen = new Set<TensorKey>();
    for (let missing = await this.#readMapLength('logits'); missing > 0; missing--) {
      const key = requireTensorKey('logits', await this.#readValue('a key of logits'));
      if (seen.has(key)) throw duplicateField(`logits.${key}`);
      seen.add(key);
      if (key === 'dtype') dtype = requireDType('logits', await this.#readValue('logits.dtype'));
      else if (key === 'shape') shape = requireShape('logits', await this.#readValue('logits.shape'));
      else {
        const byteLength = await this.#readBinLength();
        if (byteLength === undefined) {
          // Not bin: an array of numbers. Small enough to wait, or refused by the bound on held bytes.
          const value = { dtype, shape, data: await this.#readValue('logits.data') };
          const tensor = tensorFromValue('logits', value);
          shape = tensor.shape;
          dtype = tensor.dtype;
          data = { byteLength: tensor.data.byteLength, runs: [tensor.data] };
        } else if (last && missing === 1 && dtype !== undefined && shape !== undefined) {
          const logitsDType = requireLogitsDType(dtype);
          requireByteLength('logits', dtype, shape, byteLength);
          this.#requireAnnounced(byteLength);
          const writer = this.#begin(logitsDType, shape);
          await this.#reader.forward(byteLength, 'logits.data', (run) => writer.write(run));
          return true;
        } else {
          if (dtype !== undefined && shape !== undefined) requireByteLength('logits', dtype, shape, byteLength);
          data = { byteLength, runs: await this.#hold(byteLength) };
        }
      }
    }
    if (dtype === undefined) throw missingKey('logits', 'dtype');
    if (shape === undefined) throw missingKey('logits', 'shape');
    if (data === undefined) throw missingKey('logits', 'data');
    requireByteLength('logits', dtype, shape, data.byteLength);
    this.#heldLogits = { dtype: requireLogitsDType(dtype), shape, runs: data.runs };
    return false;
  }

  /** Refuses at once what cannot come: memory is taken for rows before their bytes have come. */
  #requireAnnounced(byteLength: number): void {
    const { contentLength } = this.#context;
    if (contentLength !== undefined && byteLength > contentLength)
      throw truncated('logits.data', byteLength, contentLength);
  }

  async #hold(byteLength: number): Promise<Uint8Array[]> {
    const held = new HeldRuns(this.#context.held, 'logits.data');
    await this.#reader.forward(byteLength, 'logits.data', (run) => held.push(run));
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
    const type = (await this.#reader.peek())?.[0];
    if (type === undefined || type < 0xc4 || type > 0xc6) return undefined;
    return (await this.#readHead('logits.data')).count;
  }

  /** Consumes a type byte and the length behind it. */
  async #readHead(what: string): Promise<{ counts: 'bytes' | 'items' | 'pairs'; count: number }> {
    const { lengthBytes, counts, fixed } = formatOf(await this.#readByte(what));
    let count = 0;
    for (let k = 0; k < lengthBytes; k++) count = count * 256 + (await this.#readByte(what));
    return { counts, count: count + fixed };
  }

  async #readByte(what: string): Promise<number> {
    const chunk = await this.#reader.peek();
    if (chunk === undefined) throw truncated(what, 1, 0);
    const byte = chunk[0]!;
    this.#reader.skip(1);
    return byte;
  }

  #readValue(what: string): Promise<unknown> {
    return readValue(this.#reader, this.#context.held, what);
  }
}

// Integers beyond 2^53 come as bigint, so that labels are exact.
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'auto' as 'bigint' });

function unpack(bytes: Uint8Array, what: string): unknown {
  try {
    return unpackr.unpack(bytes);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : showValue(cause);
    throw new LossmeterError('malformed_body', `${what} cannot be read as MessagePack: ${reason}`, [], { cause });
  }
}
