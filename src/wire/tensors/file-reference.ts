/** References in requests: a tensor of a file, or a llama.cpp logit file, which the service reads itself. */
import { refuse } from '../../errors.ts';
import type { LossmeterError } from '../../errors.ts';
import { placeIn, showValue } from '../../suggestion.ts';
import { TENSORS } from '../request-fields.ts';
import type { TensorName } from '../request-fields.ts';
import { LOGIT_FILE_KEY, REFERENCE_KEYS, formsOf } from './forms.ts';

/** Names a tensor of a safetensors file. */
export type FileReference = Readonly<Record<(typeof REFERENCE_KEYS)[number], string>>;

/** True for a key of a map that replaces a tensor and names a file. */
export function isReferenceKey(field: TensorName, key: unknown): key is string {
  if (key === LOGIT_FILE_KEY) return TENSORS[field].logitFile === true;
  return (REFERENCE_KEYS as readonly unknown[]).includes(key);
}

export function isReference(value: unknown): value is object {
  return typeof value === 'object' && value !== null && REFERENCE_KEYS.some((key) => Object.hasOwn(value, key));
}

/** True for a map that names a llama.cpp logit file, if the field accepts one. */
export function isLogitFile(field: TensorName, value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  return TENSORS[field].logitFile === true && Object.hasOwn(value, LOGIT_FILE_KEY);
}

const EXAMPLE = {
  file: 'the path of a safetensors file, as in {"file": "step-100.safetensors", "tensor": "logits"}',
  tensor: 'the name of a tensor of the file, as in {"file": "step-100.safetensors", "tensor": "logits"}',
  kld_file: 'the path of a llama.cpp logit file, as in {"kld_file": "base.kld"}',
} as const;

/** Makes the error for an unknown key of a map that names a file. */
export function unknownReferenceKey(field: string, key: unknown): LossmeterError {
  const detail = `unknown key ${showValue(key)} in ${field}, which names a file: expected ${formsOf(field)}`;
  return refuse('unknown_field', placeIn(field, typeof key === 'string' ? key : showValue(key)), detail);
}

/** @throws LossmeterError unknown_field, invalid_tensor */
export function readReference(field: string, value: object): FileReference {
  return readKeys(field, value, REFERENCE_KEYS);
}

/** Reads the name of a llama.cpp logit file. @throws LossmeterError unknown_field, invalid_tensor */
export function readLogitFile(field: string, value: object): string {
  return readKeys(field, value, [LOGIT_FILE_KEY])[LOGIT_FILE_KEY];
}

function readKeys<K extends keyof typeof EXAMPLE>(
  field: string,
  value: object,
  keys: readonly K[],
): Readonly<Record<K, string>> {
  const stranger = Object.keys(value).find((key) => !(keys as readonly string[]).includes(key));
  if (stranger !== undefined) throw unknownReferenceKey(field, stranger);
  const reference = value as Partial<Record<K, unknown>>;
  for (const key of keys) {
    const name = reference[key];
    if (typeof name === 'string') continue;
    const fault = name === undefined ? `${field} has no ${key}:` : `${field}.${key} is ${showValue(name)},`;
    throw refuse('invalid_tensor', placeIn(field, key), `${fault} expected ${EXAMPLE[key]}`);
  }
  return reference as Readonly<Record<K, string>>;
}
