import { move, transferableSymbol, valueSymbol } from 'piscina';
import { replyTo } from '../../threads.ts';
import { readLargeJson } from './text.ts';

/** Text, which is transferred to the worker, its largest nesting, and the fields whose values are read. */
export interface JsonTask {
  text: Uint8Array;
  maxDepth: number;
  fields: readonly string[];
}

/** Request with its tensors as bytes, and the number of bytes that are transferred. */
export interface ReadJson {
  value: unknown;
  tensorBytes: number;
}

export default function readText({ text, ...reading }: JsonTask): unknown {
  const transfer: ArrayBuffer[] = [];
  const reply = replyTo((): ReadJson => {
    const value = readLargeJson(text, reading, transfer);
    return { value, tensorBytes: transfer.reduce((sum, { byteLength }) => sum + byteLength, 0) };
  });
  return move({ [transferableSymbol]: transfer, [valueSymbol]: reply });
}
