/** A tensor of a file that the service reads itself, where a tensor stands in a request. */
import { refuse } from '../../errors.ts';
import type { LossmeterError } from '../../errors.ts';
import { pointerTo, showValue } from '../../suggestion.ts';

const REFERENCE_KEYS = ['file', 'tensor'] as const;

/** Names a tensor of a safetensors file. */
export type FileReference = Readonly<Record<(typeof REFERENCE_KEYS)[number], string>>;

export function isReferenceKey(key: unknown): key is keyof FileReference {
  return (REFERENCE_KEYS as readonly unknown[]).includes(key);
}

export function isReference(value: unknown): value is object {
  return typeof value === 'object' && value !== null && REFERENCE_KEYS.some((key) => Object.hasOwn(value, key));
}

const EXPECTED = 'expected {"file": "step-100.safetensors", "tensor": "logits"}';

export function unknownReferenceKey(field: string, key: unknown): LossmeterError {
  const detail = `unknown key ${showValue(key)} in ${field}, which names a file: ${EXPECTED}`;
  const pointer = pointerTo(typeof key === 'string' ? key : showValue(key));
  return refuse('unknown_field', `/${field}${pointer}`, detail);
}

/** @throws LossmeterError unknown_field, invalid_tensor */
export function readReference(field: string, value: object): FileReference {
  const stranger = Object.keys(value).find((key) => !isReferenceKey(key));
  if (stranger !== undefined) throw unknownReferenceKey(field, stranger);
  const reference = value as Partial<Record<keyof FileReference, unknown>>;
  for (const key of REFERENCE_KEYS) {
    if (typeof reference[key] === 'string') continue;
    const detail = `${field}.${key} is ${showValue(reference[key])}, ${EXPECTED}`;
    throw refuse('invalid_tensor', `/${field}/${key}`, detail);
  }
  return reference as FileReference;
}
