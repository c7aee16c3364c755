/** Forms in which a tensor may stand in a request. */
import { TENSORS, isTensorName } from '../request-fields.ts';

/** Keys of a tensor by itself. */
export const TENSOR_KEYS = ['dtype', 'shape', 'data'] as const;

/** Keys of the name of a tensor in a file. */
export const REFERENCE_KEYS = ['file', 'tensor'] as const;

/** Key of the name of a llama.cpp logit file. */
export const LOGIT_FILE_KEY = 'kld_file';

const mapOf = (keys: readonly string[]): string => `{${keys.map((key) => `"${key}"`).join(', ')}}`;

/** All forms of a field, for messages. @param field name of it; places within other values are tensors by themselves */
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

/** Keys of all maps that may stand for a field. */
export function keysOf(field: string): readonly string[] {
  if (!isTensorName(field)) return TENSOR_KEYS;
  const { parts = [], logitFile } = TENSORS[field];
  return [...TENSOR_KEYS, ...REFERENCE_KEYS, ...parts, ...(logitFile ? [LOGIT_FILE_KEY] : [])];
}
