import { move, transferableSymbol, valueSymbol } from 'piscina';
import { replyTo } from '../../threads.ts';
import { shortEntries } from '../../suggestion.ts';
import { readLargeJson } from './text.ts';
import { INPUT_KEYS } from '../request-fields.ts';

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
    const value = withShortInputs(readLargeJson(text, reading, transfer));
    return { value, tensorBytes: transfer.reduce((sum, { byteLength }) => sum + byteLength, 0) };
  });
  return move({ [transferableSymbol]: transfer, [valueSymbol]: reply });
}

/** Removes most unknown keys of inputs of the Open Inference Protocol: they take time, and one is enough for the error. */
function withShortInputs(request: unknown): unknown {
  if (!isObject(request) || !Array.isArray(request['inputs'])) return request;
  return { ...request, inputs: request['inputs'].map((input) => (isObject(input) ? shortInput(input) : input)) };
}

/** Keeps the known keys of an input, at any position, and a few others. */
function shortInput(input: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const known = INPUT_KEYS.filter((key) => Object.hasOwn(input, key)).map((key) => [key, input[key]] as const);
  const short: Record<string, unknown> = Object.fromEntries([...shortEntries(input), ...known]);
  const { parameters } = short;
  if (isObject(parameters)) short['parameters'] = Object.fromEntries(shortEntries(parameters));
  return short;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
