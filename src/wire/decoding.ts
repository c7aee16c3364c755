import type { LossmeterError } from '../errors.ts';
import type { DType } from '../tensor/dtype.ts';
import type { TensorName } from './request-fields.ts';
import type { Shape } from '../tensor/shape.ts';
import type { Steps } from '../steps.ts';
import { trailing, truncated } from './body/body-errors.ts';
import type { HeldRuns } from './body/held-bytes.ts';

/** Bytes of a body, as far as received. */
export interface Bytes {
  /** Received bytes that are not consumed, up to the end of a chunk; undefined when there are none. */
  readonly here: Uint8Array | undefined;
  /** True when all bytes are consumed and no more will arrive. */
  readonly ended: boolean;
  /** Number of bytes received so far. */
  readonly received: number;
  /** Consumes bytes of `here`. */
  skip(bytes: number): void;
}

/** Asks for more bytes, after all received bytes were consumed. */
const MORE = { is: 'more' } as const;

/** Asks for the next turn of the event loop, after work that took a whole one. */
export const TURN = { is: 'turn' } as const;

/** Asks for work in steps. The decoding continues with its result. */
interface Work {
  readonly is: 'work';
  readonly steps: Steps<unknown>;
}

/** Asks for the value of a JSON text, which may take long. The decoding continues with the value. */
export interface JsonText {
  readonly is: 'json';
  readonly text: Uint8Array;
  /** Fields to read from a large text. The values of other fields are checked but not kept. */
  readonly fields: readonly string[];
}

/** A field of the request that was read whole. */
interface Field {
  readonly is: 'field';
  readonly name: string;
  readonly value: unknown;
}

/** Head of a tensor whose bytes are yielded as runs. Unless `early` announced the runs, all other fields came before. */
interface TensorHead {
  readonly is: 'head';
  readonly name: TensorName;
  readonly dtype: DType;
  readonly shape: Shape;
  /** True for an array of msgpack-numpy. */
  readonly isNumpy: boolean;
}

/** Announces runs of a tensor whose head, or other fields, are still to come. */
interface Early {
  readonly is: 'early';
  /** Name of the runs in messages. */
  readonly what: string;
}

/** Next bytes of the tensor. The receiver owns them. */
interface Run {
  readonly is: 'run';
  readonly bytes: Uint8Array;
}

/** Parts of a request, as they are read. */
export type Read = Field | TensorHead | Early | Run;

/** Items that a decoding yields. */
export type Decoded = typeof MORE | typeof TURN | Work | JsonText | Read;

/**
 * Decoding of a body, which never waits itself. It yields the parts of the request. It also yields its demands: more bytes,
 * or work whose result it continues with.
 */
export type Decoding<R = void> = Generator<Decoded, R, unknown>;

/** Waits for bytes without consuming them. @returns undefined at the end of the body */
export function* peek(bytes: Bytes): Decoding<Uint8Array | undefined> {
  while (bytes.here === undefined) {
    if (bytes.ended) return undefined;
    yield MORE;
  }
  return bytes.here;
}

/**
 * Yields the next bytes as runs of a tensor.
 * @param what name of the bytes in messages
 * @throws LossmeterError truncated_body when the body has fewer bytes
 */
export function* runsOf(bytes: Bytes, count: number, what: string): Decoding {
  for (let missing = count; missing > 0;) {
    const run = bytes.here === undefined ? yield* nextRun(bytes, missing, { what, count }) : takeRun(bytes, missing);
    missing -= run.byteLength;
    yield { is: 'run', bytes: run };
  }
}

/**
 * Consumes the next bytes, in runs as received.
 * @param use called with each run, which it owns
 * @throws LossmeterError truncated_body when the body has fewer bytes
 */
export function* consume(bytes: Bytes, count: number, what: string, use: (run: Uint8Array) => void): Decoding {
  for (let missing = count; missing > 0;) {
    const run = bytes.here === undefined ? yield* nextRun(bytes, missing, { what, count }) : takeRun(bytes, missing);
    missing -= run.byteLength;
    use(run);
  }
}

/**
 * Reads a whole body into one buffer.
 * @param held buffers the body while it arrives
 * @param tooLong makes the error for a body that is longer than `maxBytes`
 */
export function* readWhole(
  bytes: Bytes,
  held: HeldRuns,
  { maxBytes, tooLong }: { maxBytes: number; tooLong: () => LossmeterError },
): Decoding<Uint8Array> {
  for (let chunk = yield* peek(bytes); chunk !== undefined; chunk = yield* peek(bytes)) {
    bytes.skip(chunk.byteLength);
    if (bytes.received > maxBytes) throw tooLong();
    held.push(chunk);
  }
  return yield* gathered(held);
}

/** @throws LossmeterError malformed_body when bytes follow */
export function* requireEnd(bytes: Bytes): Decoding {
  const rest = yield* peek(bytes);
  if (rest !== undefined) throw trailing(rest.byteLength);
}

/** All bytes of `held` in one buffer. */
export function* gathered(held: HeldRuns): Decoding<Uint8Array> {
  if (held.isShort) return held.concat();
  return (yield { is: 'work', steps: held.gather() }) as Uint8Array;
}

function* nextRun(bytes: Bytes, most: number, { what, count }: { what: string; count: number }): Decoding<Uint8Array> {
  if ((yield* peek(bytes)) === undefined) throw truncated(what, count, count - most);
  return takeRun(bytes, most);
}

function takeRun(bytes: Bytes, most: number): Uint8Array {
  const chunk = bytes.here!;
  const run = chunk.byteLength > most ? chunk.subarray(0, most) : chunk;
  bytes.skip(run.byteLength);
  return run;
}
