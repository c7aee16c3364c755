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

/** Fields to read from a file, in addition to the tensors that workers read. */
interface WantedFields {
  path: string;
  /** Tensors to read, if the file has them or `names` lists them. */
  tensors: readonly TensorName[];
  /** Names of tensors in the file, by field. A field without an entry has the tensor of its own name. */
  names: Readonly<Partial<Record<TensorName, string>>>;
  /** Fields of the kind of evaluation. */
  kind: RequestFields;
  /** Throws for invalid options in the file. */
  requireOptions: (given: unknown) => unknown;
  /** Options, each of which replaces the same option of the file. */
  options: Readonly<Record<string, unknown>>;
  held: HeldBytesAccount;
}

/**
 * Reads tensors of a safetensors file, and its options, which are JSON text in `__metadata__.options`. The option `outputs`
 * is replaced by an empty list.
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
