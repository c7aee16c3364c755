/** A tensor of a file, or a llama.cpp logit file, that the service reads itself, where a tensor stands in a request. */
import { refuse } from '../../errors.ts';
import type { LossmeterError } from '../../errors.ts';
import { pointerTo, showValue } from '../../suggestion.ts';
import { TENSORS } from '../request-fields.ts';
import type { TensorName } from '../request-fields.ts';

const REFERENCE_KEYS = ['file', 'tensor'] as const;

/** Names a tensor of a safetensors file. */
export type FileReference = Readonly<Record<(typeof REFERENCE_KEYS)[number], string>>;

/** Key of a reference to a llama.cpp logit file. */
const LOGIT_FILE_KEY = 'kld_file';

/** True for a key of a map that may stand in the place of a tensor, and names a file. */
export function isReferenceKey(field: TensorName, key: unknown): key is string {
  if (key === LOGIT_FILE_KEY) return TENSORS[field].logitFile === true;
  return (REFERENCE_KEYS as readonly unknown[]).includes(key);
}

export function isReference(value: unknown): value is object {
  return typeof value === 'object' && value !== null && REFERENCE_KEYS.some((key) => Object.hasOwn(value, key));
}

/** True for the name of a llama.cpp logit file where one may stand. */
export function isLogitFile(field: TensorName, value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  return TENSORS[field].logitFile === true && Object.hasOwn(value, LOGIT_FILE_KEY);
}

const EXPECTED_TENSOR = 'expected {"file": "step-100.safetensors", "tensor": "logits"}';
const EXPECTED_LOGIT_FILE = 'expected {"kld_file": "base.kld"}';

export function unknownReferenceKey(field: string, key: unknown, expected = EXPECTED_TENSOR): LossmeterError {
  const detail = `unknown key ${showValue(key)} in ${field}, which names a file: ${expected}`;
  const pointer = pointerTo(typeof key === 'string' ? key : showValue(key));
  return refuse('unknown_field', `/${field}${pointer}`, detail);
}

/** @throws LossmeterError unknown_field, invalid_tensor */
export function readReference(field: string, value: object): FileReference {
  return readKeys(field, value, REFERENCE_KEYS, EXPECTED_TENSOR);
}

/** Reads the name of a llama.cpp logit file. @throws LossmeterError unknown_field, invalid_tensor */
export function readLogitFile(field: string, value: object): string {
  return readKeys(field, value, [LOGIT_FILE_KEY], EXPECTED_LOGIT_FILE)[LOGIT_FILE_KEY];
}

function readKeys<K extends string>(
  field: string,
  value: object,
  keys: readonly K[],
  expected: string,
): Readonly<Record<K, string>> {
  const stranger = Object.keys(value).find((key) => !(keys as readonly string[]).includes(key));
  if (stranger !== undefined) throw unknownReferenceKey(field, stranger, expected);
  const reference = value as Partial<Record<K, unknown>>;
  for (const key of keys) {
    if (typeof reference[key] === 'string') continue;
    const detail = `${field}.${key} is ${showValue(reference[key])}, ${expected}`;
    throw refuse('invalid_tensor', `/${field}/${key}`, detail);
  }
  return reference as Readonly<Record<K, string>>;
}
