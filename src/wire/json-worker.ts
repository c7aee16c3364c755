import { move, transferableSymbol, valueSymbol } from 'piscina';
import { LossmeterError } from '../errors.ts';
import type { ErrorCode, ErrorPlace } from '../errors.ts';
import { packTensors, parseJson } from './json-text.ts';

/** What the worker says of a text: a refusal as its parts, for classes do not travel between threads. */
export type JsonReply =
  | { value: unknown }
  | { refusal: { code: ErrorCode; detail: string; places: readonly ErrorPlace[] } };

/** A text, which is moved, and the nesting that it may have. */
export interface JsonTask {
  text: Uint8Array;
  maxDepth: number;
}

export default function parseText({ text, maxDepth }: JsonTask): unknown {
  const transfer: ArrayBuffer[] = [];
  let reply: JsonReply;
  try {
    reply = { value: packTensors(parseJson(text, maxDepth), transfer) };
  } catch (error) {
    if (!(error instanceof LossmeterError)) throw error;
    reply = { refusal: { code: error.code, detail: error.message, places: error.places } };
  }
  return move({ [transferableSymbol]: transfer, [valueSymbol]: reply });
}
