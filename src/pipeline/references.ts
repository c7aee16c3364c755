/** Resolves references of a request to tensors of files. */
import type { FileTensor } from '../tensor/file-tensor.ts';
import type { LogitFileRows } from '../tensor/logit-file-rows.ts';
import { settled } from '../waiting.ts';
import type { Waiting } from '../waiting.ts';
import { SPLIT_ADVICE, adviceOn } from '../wire/body/held-bytes.ts';
import type { HeldBytesAccount } from '../wire/body/held-bytes.ts';
import type { ReadLogitFile } from '../wire/request.ts';
import type { TensorName } from '../wire/request-fields.ts';
import { isReference, readLogitFile, readReference } from '../wire/tensors/file-reference.ts';
import type { FileReference } from '../wire/tensors/file-reference.ts';

/** Opens the tensors that requests refer to. */
export interface TensorFiles {
  /**
   * @param field place of the reference in the request
   * @throws LossmeterError local_data_off, object_storage_off, file_forbidden, file_unreadable, storage_unavailable,
   *   invalid_file, invalid_tensor
   */
  open(field: string, reference: FileReference): Promise<FileTensor>;
}

/** Opens the llama.cpp logit files that requests refer to. */
export interface LogitFiles {
  /**
   * @param field place of the name in the request
   * @throws LossmeterError local_data_off, object_storage_off, file_forbidden, file_unreadable, storage_unavailable,
   *   invalid_file
   */
  openLogitFile(field: string, name: string): Promise<LogitFileRows>;
}

/** Dependencies of readReferences. */
export interface FileContext {
  /** Tensors that a request may have. */
  readonly tensors: readonly TensorName[];
  readonly held: HeldBytesAccount;
  readonly files: TensorFiles;
}

/** Opens the tensor that a reference names. @throws LossmeterError like TensorFiles.open, and for an invalid reference */
export function openReference(
  field: string,
  value: object,
  { files }: Pick<FileContext, 'files'>,
): Promise<FileTensor> {
  return files.open(field, readReference(field, value));
}

/** Opens a llama.cpp logit file, and reads its labels. @throws LossmeterError like LogitFiles.openLogitFile, and of `held` */
export function* openLogitFile(
  field: string,
  value: object,
  { files, held }: { files: LogitFiles; held: HeldBytesAccount },
): Waiting<ReadLogitFile> {
  const name = readLogitFile(field, value);
  const { readLabels, ...rows } = yield* settled(files.openLogitFile(field, name));
  const bytes = rows.chunks * rows.rowsPerChunk * Int32Array.BYTES_PER_ELEMENT;
  held.take(bytes, `the labels of ${field}`, SPLIT_ADVICE);
  return { ...rows, labels: yield* settled(readLabels()) };
}

/** Reads the tensors that fields refer to into memory. */
export function* readReferences(
  fields: Record<string, unknown>,
  context: FileContext,
): Waiting<Record<string, unknown>> {
  const referring = context.tensors.filter((field) => isReference(fields[field]));
  if (referring.length === 0) return fields;
  const read: Record<string, unknown> = { ...fields };
  for (const field of referring) {
    const tensor = yield* settled(openReference(field, fields[field] as object, context));
    context.held.take(tensor.range.byteLength, field, adviceOn(field));
    read[field] = { dtype: tensor.dtype, shape: tensor.shape, data: yield tensor.read() };
  }
  return read;
}
