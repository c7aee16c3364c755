import { move, transferableSymbol, valueSymbol } from 'piscina';
import { replyTo } from '../threads.ts';
import { readLargeJson } from './json-text.ts';

/** A text, which is moved, and the nesting that it may have. */
export interface JsonTask {
  text: Uint8Array;
  maxDepth: number;
}

/** A request with its tensors as bytes, and how many they are. */
export interface ReadJson {
  value: unknown;
  tensorBytes: number;
}

export default function readText({ text, maxDepth }: JsonTask): unknown {
  const transfer: ArrayBuffer[] = [];
  const reply = replyTo((): ReadJson => {
    const value = readLargeJson(text, maxDepth, transfer);
    return { value, tensorBytes: transfer.reduce((sum, { byteLength }) => sum + byteLength, 0) };
  });
  return move({ [transferableSymbol]: transfer, [valueSymbol]: reply });
}
