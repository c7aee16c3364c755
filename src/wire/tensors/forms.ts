/** Forms of a tensor in a request. */
import { TENSORS, isTensorName } from '../request-fields.ts';

/** Keys of a tensor. */
export const TENSOR_KEYS = ['dtype', 'shape', 'data'] as const;

/** Keys of a map that names a tensor in a file. */
export const REFERENCE_KEYS = ['file', 'tensor'] as const;

/** Key of a map that names a llama.cpp logit file. */
export const LOGIT_FILE_KEY = 'kld_file';

const mapOf = (keys: readonly string[]): string => `{${keys.map((key) => `"${key}"`).join(', ')}}`;

/** Lists all forms of a field, for messages. @param field name of a field, or place in another value, which has fewer forms */
export function formsOf(field: string): string {
  const forms = [mapOf(TENSOR_KEYS), 'a nested array'];
  if (isTensorName(field)) {
    const { scalar, flat, parts, logitFile } = TENSORS[field];
    if (scalar) forms.push('a number');
    if (flat !== undefined) forms.push('bytes or base64 text');
    forms.push(mapOf(REFERENCE_KEYS));
    if (parts !== undefined) forms.push(mapOf(parts));
    if (logitFile) forms.push(mapOf([LOGIT_FILE_KEY]));
  }
  return `${forms.slice(0, -1).join(', ')} or ${forms.at(-1)}`;
}

/** Keys of all maps that may represent a field. */
export function keysOf(field: string): readonly string[] {
  if (!isTensorName(field)) return TENSOR_KEYS;
  const { parts = [], logitFile } = TENSORS[field];
  return [...TENSOR_KEYS, ...REFERENCE_KEYS, ...parts, ...(logitFile ? [LOGIT_FILE_KEY] : [])];
}
