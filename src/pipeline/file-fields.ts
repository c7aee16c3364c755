import type { SafetensorsFile } from '../files/safetensors-file.ts';
import type { FileTensor } from '../tensor/file-tensor.ts';
import { runWaiting } from '../waiting.ts';
import type { HeldBytesAccount } from '../wire/body/held-bytes.ts';
import type { RequestFields, TensorName } from '../wire/request-fields.ts';
import type { StreamedTensor } from '../wire/request.ts';
import { fieldsOf } from '../wire/safetensors/codec.ts';
import type { FileReference } from '../wire/tensors/file-reference.ts';
import { requireDTypeOf } from '../wire/tensors/tensor-value.ts';
import { readReferences } from './references.ts';

/** Fields of a file that is a request, beside the tensors that workers read. */
interface WantedFields {
  path: string;
  /** Tensors to read, where the file has them or they are named. */
  tensors: readonly TensorName[];
  /** Names of tensors in the file by the fields that they are; others are called like their field. */
  names: Readonly<Partial<Record<TensorName, string>>>;
  /** Fields of the kind of evaluation. */
  kind: RequestFields;
  /** Throws for options that the kind does not have. */
  requireOptions: (given: unknown) => unknown;
  /** Options that take the place of those in the file, one by one. */
  options: Readonly<Record<string, unknown>>;
  held: HeldBytesAccount;
}

/**
 * Reads tensors of a safetensors file, and its options, which are JSON text in `__metadata__.options`. No outputs are
 * asked for.
 * @throws LossmeterError
 */
export async function readFileFields(
  file: SafetensorsFile,
  { path, tensors, names, kind, requireOptions, options, held }: WantedFields,
): Promise<Record<string, unknown>> {
  const stored = new Set(file.header.tensors.map(({ name }) => name));
  const references = tensors
    .filter((field) => field in names || stored.has(field))
    .map((field) => [field, { file: path, tensor: names[field] ?? field }]);
  const files = { open: async (field: string, { tensor }: FileReference) => file.tensor(field, tensor) };
  const read = await runWaiting(
    readReferences(Object.fromEntries(references) as Record<string, unknown>, { tensors, held, files }),
  );
  const { options: own } = fieldsOf(file.header.metadata, kind);
  requireOptions(own);
  return { ...read, options: { ...(own as object | undefined), ...options, outputs: [] } };
}

/** Head of a tensor that workers read from its file. */
export function headOf<Name extends TensorName>(name: Name, source: FileTensor): StreamedTensor & { name: Name } {
  return { name, dtype: requireDTypeOf(name, source.dtype), shape: source.shape, source };
}
