import { setImmediate as nextTurn } from 'node:timers/promises';
import { Unpackr } from 'msgpackr';
import { LossmeterError } from '../errors.ts';
import { showValue } from '../suggestion.ts';
import { Base64Decoder } from './base64.ts';
import { trailing } from './byte-reader.ts';
import type { ByteReader } from './byte-reader.ts';
import { HeldRuns, adviceOn, gathered } from './held-bytes.ts';
import type { HeldBytesAccount } from './held-bytes.ts';
import { MAX_TEXT_BYTES, MsgpackExtent, VALUE_LIMITS } from './msgpack-extent.ts';
import { scalarFrom, textOf } from './msgpack-numpy.ts';
import { TENSOR_FIELDS } from './request-fields.ts';
import { notBase64 } from './tensor-value.ts';

/** Values of so many bytes have a turn of their own: what is made of them comes in the next one. */
const OWN_TURN_BYTES = 2 ** 16;

/**
 * Cuts the next value out of the stream and reads it. A long text is read as base64 while it comes, and becomes the bytes
 * that it stands for: a string of it would take the time of others.
 */
export async function readValue(reader: ByteReader, account: HeldBytesAccount, what: string): Promise<unknown> {
  const extent = new MsgpackExtent();
  const heads: BinHead[] = [];
  // Most values lie within one chunk, and are read where they lie.
  let held: HeldRuns | undefined;
  let heldBytes = 0;
  while (!extent.done) {
    const chunk = reader.here ?? (await reader.peek());
    if (chunk === undefined) {
      throw new LossmeterError('truncated_body', `the body ends within ${what}, after ${reader.received} bytes`);
    }
    const length = extent.push(chunk);
    const run = chunk.subarray(0, length);
    reader.skip(length);
    if (extent.done && held === undefined) {
      account.take(length, what, adviceOn(what));
      return unpack(run, what);
    }
    held ??= new HeldRuns(account, what, adviceOn(what));
    held.push(run);
    heldBytes += run.byteLength;
    if (extent.longText === 0) continue;
    const head = { end: heldBytes, length: await readBase64(reader, held, { what, length: extent.longText }) };
    heads.push(head);
    heldBytes += head.length;
    extent.passLongText();
  }
  const bytes = await gathered(held!);
  for (const head of heads) writeBinHead(bytes, head);
  const value = unpack(bytes, what);
  if (bytes.byteLength > OWN_TURN_BYTES) await nextTurn();
  return value;
}

/** Values that may hold the elements of a tensor. */
const TENSORS: ReadonlySet<string> = new Set([...TENSOR_FIELDS, 'logits.data']);

/** Reads a long text, which can only be base64. @returns its bytes */
async function readBase64(
  reader: ByteReader,
  held: HeldRuns,
  { what, length }: { what: string; length: number },
): Promise<number> {
  if (!TENSORS.has(what)) {
    const detail = `${what} is or has a text of ${length} bytes, expected at most ${MAX_TEXT_BYTES}`;
    throw new LossmeterError('body_too_large', detail);
  }
  const decoder = new Base64Decoder();
  let bytes = 0;
  const add = (part: Uint8Array): void => {
    if (decoder.fault !== undefined) throw notBase64(what.split('.', 1)[0]!, decoder.fault);
    bytes += part.byteLength;
    held.push(part);
  };
  await reader.forward(length, `a text of ${what}`, (run) => add(decoder.push(run)));
  add(decoder.end());
  return bytes;
}

/** Place of the head of a long text, of which bytes became. */
interface BinHead {
  /** Index behind it. */
  readonly end: number;
  /** Bytes that follow it. */
  readonly length: number;
}

/** MessagePack's bin 32; its head is as long as that of str 32. */
const BIN_32 = 0xc6;
const LENGTH_BYTES = 4;

function writeBinHead(bytes: Uint8Array, { end, length }: BinHead): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, end);
  view.setUint8(end - LENGTH_BYTES - 1, BIN_32);
  view.setUint32(end - LENGTH_BYTES, length);
}

/** Reads a whole body that is one value. */
export function parseValue(body: Uint8Array): unknown {
  const extent = new MsgpackExtent(VALUE_LIMITS);
  const length = extent.push(body);
  if (!extent.done) {
    throw new LossmeterError('truncated_body', `the body ends within the body, after ${body.byteLength} bytes`);
  }
  if (length < body.byteLength) throw trailing(body.byteLength - length);
  return unpack(body, 'the body');
}

// Integers beyond 2^53 come as bigint, so that labels are exact.
const OPTIONS = { useRecords: false, int64AsType: 'auto' as 'bigint' };
const unpackr = new Unpackr({ ...OPTIONS, mapsAsObjects: true });
/** Reads maps whose keys are bin, which are no names of an object. */
const mapUnpackr = new Unpackr({ ...OPTIONS, mapsAsObjects: false });

function unpack(bytes: Uint8Array, what: string): unknown {
  try {
    return unpackr.unpack(bytes);
  } catch (cause) {
    const value = unpackMaps(bytes);
    if (value !== undefined) return value;
    const reason = cause instanceof Error ? cause.message : showValue(cause);
    throw new LossmeterError('malformed_body', `${what} cannot be read as MessagePack: ${reason}`, [], { cause });
  }
}

/** A value in which keys of maps are bin, as Python writes bytes; undefined when it cannot be read so either. */
function unpackMaps(bytes: Uint8Array): unknown {
  try {
    return withNames(mapUnpackr.unpack(bytes));
  } catch {
    return undefined;
  }
}

function withNames(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withNames);
  if (!(value instanceof Map)) return value;
  const object = Object.fromEntries([...value].map(([key, inner]) => [String(textOf(key)), withNames(inner)]));
  return scalarFrom(object) ?? object;
}
