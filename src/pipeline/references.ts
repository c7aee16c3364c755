/** Follows references of a request to tensors of files. */
import { refuse } from '../errors.ts';
import { placeIn } from '../suggestion.ts';
import type { LossmeterError } from '../errors.ts';
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
   * @param field where the reference stands in the request
   * @throws LossmeterError file_forbidden, file_unreadable, invalid_file, invalid_tensor
   */
  open(field: string, reference: FileReference): Promise<FileTensor>;
}

/** Opens the llama.cpp logit files that requests refer to. */
export interface LogitFiles {
  /**
   * @param field where the name stands in the request
   * @throws LossmeterError file_forbidden, file_unreadable, invalid_file
   */
  openLogitFile(field: string, name: string): Promise<LogitFileRows>;
}

/** Means of following references. */
export interface FileContext {
  /** Tensors that a request may have. */
  readonly tensors: readonly TensorName[];
  readonly held: HeldBytesAccount;
  /** Undefined where requests may not refer to files. */
  readonly files?: TensorFiles | undefined;
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
  throw noLocalFiles(field, 'file', ', or send the tensor');
}

/**
 * Opens a llama.cpp logit file, and reads its labels.
 * @throws LossmeterError local_data_off, and as LogitFiles.openLogitFile
 */
export function* openLogitFile(
  field: string,
  value: object,
  { files, held }: { files: LogitFiles | undefined; held: HeldBytesAccount },
): Waiting<ReadLogitFile> {
  const name = readLogitFile(field, value);
  if (files === undefined) throw noLocalFiles(field, 'kld_file', '');
  const { readLabels, ...rows } = yield* settled(files.openLogitFile(field, name));
  const bytes = rows.chunks * rows.rowsPerChunk * Int32Array.BYTES_PER_ELEMENT;
  held.take(bytes, `the labels of ${field}`, SPLIT_ADVICE);
  return { ...rows, labels: yield* settled(readLabels()) };
}

function noLocalFiles(field: string, key: string, otherwise: string): LossmeterError {
  const detail = `${field} names a file, and this service reads no local files: start it with LOSSMETER_DATA_DIR set to the folder that holds them${otherwise}`;
  return refuse('local_data_off', placeIn(field, key), detail);
}

/** Reads the tensors that fields refer to. They wait in memory. */
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
