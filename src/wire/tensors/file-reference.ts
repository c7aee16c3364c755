/** A tensor of a file that the service reads itself, where a tensor stands in a request. */
import { refuse } from '../../errors.ts';
import type { LossmeterError } from '../../errors.ts';
import { pointerTo, showValue } from '../../suggestion.ts';
import type { FileTensor } from '../../tensor/file-tensor.ts';
import { settled } from '../../waiting.ts';
import type { Waiting } from '../../waiting.ts';
import { TENSOR_FIELDS } from '../request-fields.ts';
import { adviceOn } from '../body/held-bytes.ts';
import type { HeldBytesAccount } from '../body/held-bytes.ts';

const REFERENCE_KEYS = ['file', 'tensor'] as const;

/** Names a tensor of a safetensors file. */
export type FileReference = Readonly<Record<(typeof REFERENCE_KEYS)[number], string>>;

/** Opens what requests refer to. */
export interface TensorFiles {
  /**
   * @param field where the reference stands in the request
   * @throws LossmeterError file_forbidden, file_unreadable, invalid_file, invalid_tensor
   */
  open(field: string, reference: FileReference): Promise<FileTensor>;
}

/** Means of following references. */
export interface FileContext {
  readonly held: HeldBytesAccount;
  /** undefined where requests may not refer to files. */
  readonly files?: TensorFiles | undefined;
}

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
function readReference(field: string, value: object): FileReference {
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

/**
 * Opens the tensor that a reference names.
 * @throws LossmeterError local_data_off, and as TensorFiles.open
 */
export function openReference(
  field: string,
  value: object,
  { files }: Pick<FileContext, 'files'>,
): Promise<FileTensor> {
  const reference = readReference(field, value);
  if (files !== undefined) return files.open(field, reference);
  const detail = `${field} names a file, and this service reads no local files: start it with LOSSMETER_DATA_DIR set to the folder that holds them, or send the tensor`;
  throw refuse('local_data_off', `/${field}/file`, detail);
}

/** Reads the tensors that fields refer to. They wait in memory. */
export function* readReferences(
  fields: Readonly<Record<string, unknown>>,
  context: FileContext,
): Waiting<Readonly<Record<string, unknown>>> {
  const referring = TENSOR_FIELDS.filter((field) => isReference(fields[field]));
  if (referring.length === 0) return fields;
  const read: Record<string, unknown> = { ...fields };
  for (const field of referring) {
    const tensor = yield* settled(openReference(field, fields[field] as object, context));
    context.held.take(tensor.range.byteLength, field, adviceOn(field));
    read[field] = { dtype: tensor.dtype, shape: tensor.shape, data: yield tensor.read() };
  }
  return read;
}
