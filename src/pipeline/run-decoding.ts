import { setImmediate as nextTurn } from 'node:timers/promises';
import { runInTurns } from '../steps.ts';
import { settled } from '../waiting.ts';
import type { Waiting } from '../waiting.ts';
import type { ByteReader } from '../wire/body/byte-reader.ts';
import type { Decoding, JsonText, Read } from '../wire/decoding.ts';

/** Takes a part of a request, or reads a JSON text. @returns its value */
export type Take = (item: JsonText | Read) => Waiting<unknown>;

/**
 * Runs a decoding to its end: waits for what it asks for, and hands on the parts that it yields. What fails is thrown where
 * the decoding asked for it.
 * @param take left out where a body is read whole, which yields no parts
 */
export function* runDecoding<R>(decoding: Decoding<R>, reader: ByteReader, take?: Take): Waiting<R> {
  for (let step = decoding.next(); ;) {
    if (step.done === true) return step.value;
    const item = step.value;
    let value: unknown;
    try {
      if (item.is === 'more') value = yield reader.more();
      else if (item.is === 'turn') value = yield nextTurn();
      else if (item.is === 'work') value = yield* settled(runInTurns(item.steps));
      else value = yield* take!(item);
    } catch (error) {
      step = decoding.throw(error);
      continue;
    }
    step = decoding.next(value);
  }
}
