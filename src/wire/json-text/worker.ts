import { move, transferableSymbol, valueSymbol } from 'piscina';
import { replyTo } from '../../threads.ts';
import { shortEntries } from '../../suggestion.ts';
import { readLargeJson } from './text.ts';
import { INPUT_KEYS } from '../request-fields.ts';

/** A text, which is moved, the nesting that it may have, and the fields whose values are read. */
export interface JsonTask {
  text: Uint8Array;
  maxDepth: number;
  fields: readonly string[];
}

/** A request with its tensors as bytes, and how many they are. */
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

/** Shortens the inputs of the Open Inference Protocol: unknown keys cost the main thread time, and one is refused. */
function withShortInputs(request: unknown): unknown {
  if (!isObject(request) || !Array.isArray(request['inputs'])) return request;
  return { ...request, inputs: request['inputs'].map((input) => (isObject(input) ? shortInput(input) : input)) };
}

/** Keeps the known keys of an input, wherever they stand among others. */
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
