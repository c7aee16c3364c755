import { setImmediate as nextTurn } from 'node:timers/promises';
import { Unpackr } from 'msgpackr';
import { LossmeterError } from '../errors.ts';
import { showValue } from '../suggestion.ts';
import { trailing } from './byte-reader.ts';
import type { ByteReader } from './byte-reader.ts';
import { HeldRuns, adviceOn, gathered } from './held-bytes.ts';
import type { HeldBytesAccount } from './held-bytes.ts';
import { MsgpackExtent, VALUE_LIMITS } from './msgpack-extent.ts';
import { scalarFrom, textOf } from './msgpack-numpy.ts';

/** Values of so many bytes have a turn of their own: what is made of them comes in the next one. */
const OWN_TURN_BYTES = 2 ** 16;

/** Cuts the next value out of the stream and reads it. */
export async function readValue(reader: ByteReader, account: HeldBytesAccount, what: string): Promise<unknown> {
  const extent = new MsgpackExtent();
  // Most values lie within one chunk, and are read where they lie.
  let held: HeldRuns | undefined;
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
  }
  const bytes = await gathered(held!);
  const value = unpack(bytes, what);
  if (bytes.byteLength > OWN_TURN_BYTES) await nextTurn();
  return value;
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
