import { Unpackr } from 'msgpackr';
import { LossmeterError } from '../../errors.ts';
import { showValue } from '../../suggestion.ts';
import { Base64Decoder } from '../tensors/base64.ts';
import { trailing } from '../body/body-errors.ts';
import { TURN, consume, gathered, peek } from '../decoding.ts';
import type { Bytes, Decoding } from '../decoding.ts';
import { HeldRuns, adviceOn } from '../body/held-bytes.ts';
import { free } from '../../tensor/memory.ts';
import type { HeldBytesAccount } from '../body/held-bytes.ts';
import { MAX_TEXT_BYTES, MsgpackExtent, VALUE_LIMITS } from './extent.ts';
import { scalarFrom, textOf } from './numpy.ts';
import { TENSOR_FIELDS, isStreamed } from '../request-fields.ts';
import { notBase64 } from '../tensors/tensor-value.ts';

/** After a value of more than this many bytes, processing continues in the next turn. */
const OWN_TURN_BYTES = 2 ** 16;

/** Result for a value that does not lie within one chunk. */
export const CUT = Symbol('cut');

/** Reads the next value if it lies within the current chunk, as most values do. @returns CUT if it does not */
export function valueHere(bytes: Bytes, account: HeldBytesAccount, what: string): unknown {
  const chunk = bytes.here;
  if (chunk === undefined) return CUT;
  const extent = new MsgpackExtent();
  const length = extent.push(chunk);
  if (!extent.done) return CUT;
  bytes.skip(length);
  account.take(length, what, adviceOn(what));
  return unpack(chunk.subarray(0, length), what);
}

/**
 * Cuts the next value out of the body and reads it. A long text is decoded as base64 while it arrives, and becomes a bin:
 * a string of it would block the main thread.
 */
export function* readValue(bytes: Bytes, account: HeldBytesAccount, what: string): Decoding<unknown> {
  const extent = new MsgpackExtent();
  const heads: BinHead[] = [];
  const held = new HeldRuns(account, what, adviceOn(what));
  let heldBytes = 0;
  while (!extent.done) {
    const chunk = yield* peek(bytes);
    if (chunk === undefined) {
      throw new LossmeterError('truncated_body', `the body ends within ${what}, after ${bytes.received} bytes`);
    }
    const length = extent.push(chunk);
    bytes.skip(length);
    held.push(chunk.subarray(0, length));
    heldBytes += length;
    if (extent.longText === 0) continue;
    const head = { end: heldBytes, length: yield* readBase64(bytes, held, { what, length: extent.longText }) };
    heads.push(head);
    heldBytes += head.length;
    extent.passLongText();
  }
  const whole = yield* gathered(held);
  for (const head of heads) writeBinHead(whole, head);
  const value = unpack(whole, what);
  if (whole.byteLength > OWN_TURN_BYTES) yield TURN;
  return value;
}

/** Values that may contain the elements of a tensor. */
const TENSORS: ReadonlySet<string> = new Set([
  ...TENSOR_FIELDS,
  ...TENSOR_FIELDS.filter(isStreamed).map((name) => `${name}.data`),
]);

/** Decodes a long text, which must be base64, into `held`. @returns the number of decoded bytes */
function* readBase64(
  bytes: Bytes,
  held: HeldRuns,
  { what, length }: { what: string; length: number },
): Decoding<number> {
  if (!TENSORS.has(what)) {
    const detail = `${what} contains a text of ${length} bytes, expected at most ${MAX_TEXT_BYTES}`;
    throw new LossmeterError('body_too_large', detail);
  }
  const decoder = new Base64Decoder();
  let decoded = 0;
  const add = (part: Uint8Array): void => {
    if (decoder.fault !== undefined) throw notBase64(what.replace(/\.data$/, ''), decoder.fault);
    decoded += part.byteLength;
    held.push(part);
  };
  yield* consume(bytes, length, `a text of ${what}`, (run) => {
    add(decoder.push(run));
    free(run);
  });
  add(decoder.end());
  return decoded;
}

/** Place of the head of a long text that was decoded to bytes. */
interface BinHead {
  /** Index after the head. */
  readonly end: number;
  /** Number of bytes that follow the head. */
  readonly length: number;
}

/** Type byte of MessagePack's bin 32. Its head has the same length as a head of str 32. */
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
    throw new LossmeterError('truncated_body', `the body ends within a value, after ${body.byteLength} bytes`);
  }
  if (length < body.byteLength) throw trailing(body.byteLength - length);
  return unpack(body, 'the body');
}

// Integers beyond 2^53 become bigints, so that labels are exact.
const OPTIONS = { useRecords: false, int64AsType: 'auto' as 'bigint' };
const unpackr = new Unpackr({ ...OPTIONS, mapsAsObjects: true });
/** Reads maps whose keys are bin, which cannot be property names. */
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

/** Reads a value in which keys of maps are bin, as Python writes bytes; undefined if this fails too. */
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
