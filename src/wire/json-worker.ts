import { move, transferableSymbol, valueSymbol } from 'piscina';
import { LossmeterError } from '../errors.ts';
import type { ErrorCode, ErrorPlace } from '../errors.ts';
import { packTensors, parseJson } from './json-text.ts';

/** What the worker says of a text: a refusal as its parts, for classes do not travel between threads. */
export type JsonReply =
  | { value: unknown }
  | { refusal: { code: ErrorCode; detail: string; places: readonly ErrorPlace[] } };

export default function parseText(text: Uint8Array): unknown {
  const transfer: ArrayBuffer[] = [];
  let reply: JsonReply;
  try {
    reply = { value: packTensors(parseJson(text), transfer) };
  } catch (error) {
    if (!(error instanceof LossmeterError)) throw error;
    reply = { refusal: { code: error.code, detail: error.message, places: error.places } };
  }
  return move({ [transferableSymbol]: transfer, [valueSymbol]: reply });
}
