import { setImmediate as nextTurn } from 'node:timers/promises';
import { runInTurns } from '../steps.ts';
import { settled } from '../waiting.ts';
import type { Waiting } from '../waiting.ts';
import type { ByteReader } from '../wire/body/byte-reader.ts';
import type { Decoding, JsonText, Read } from '../wire/decoding.ts';

/** Reads a JSON text: see JsonParser. */
export type ParseJson = (text: JsonText) => unknown;

/**
 * Runs a decoding up to the next part, and fulfils its demands. If a demand fails, its error is thrown into the decoding.
 * @param parseJson omitted for a decoding that never asks for the value of a JSON text
 */
export function* nextPart<R>(
  decoding: Decoding<R>,
  reader: ByteReader,
  parseJson?: ParseJson,
): Waiting<IteratorResult<Read, R>> {
  for (let step = decoding.next(); ;) {
    if (step.done === true) return step;
    const item = step.value;
    let value: unknown;
    try {
      if (item.is === 'more') value = yield reader.more();
      else if (item.is === 'turn') value = yield nextTurn();
      else if (item.is === 'work') value = yield* settled(runInTurns(item.steps));
      else if (item.is === 'json') value = yield* settled(parseJson!(item));
      else return step as IteratorYieldResult<Read>;
    } catch (error) {
      step = decoding.throw(error);
      continue;
    }
    step = decoding.next(value);
  }
}

/** Runs a decoding without parts to its end. */
export function* runDecoding<R>(decoding: Decoding<R>, reader: ByteReader): Waiting<R> {
  return (yield* nextPart(decoding, reader)).value as R;
}
