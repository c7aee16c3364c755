import type { ComparisonOptions } from '../../../clients/typescript/src/types.ts';
import { parseOptions } from '../files/options.ts';
import type { FileOptions } from '../files/options.ts';
import type { StoredTensor, TensorFile } from '../files/safetensors.ts';
import { UnreadableFileError } from '../files/unreadable-file.ts';

const LOGITS = 'logits';
const REFERENCE = 'reference';

/** Tensors of a reference with only the top K classes of each row. */
const TOP_REFERENCE = ['reference.indices', 'reference.logprobs'] as const;

const OUTPUTS = ['kl_divergence', 'top1_agreement'] as const satisfies ComparisonOptions['outputs'];

/** Options of an evaluation that select its rows. The others do not apply to two sets of logits. */
export const ROW_OPTIONS = ['ignore_index', 'shift'] as const satisfies readonly (keyof ComparisonOptions)[];

/** A file with its name. */
export interface NamedFile extends TensorFile {
  readonly name: string;
}

const hasReference = ({ tensors }: TensorFile): boolean =>
  tensors.has(REFERENCE) || TOP_REFERENCE.every((name) => tensors.has(name));

/** Returns true for a file that holds both sets of logits. */
export const isPair = (file: TensorFile): boolean => file.tensors.has(LOGITS) && hasReference(file);

/** Returns true for a file that can only be the reference. */
export const isReferenceOnly = (file: TensorFile): boolean => !file.tensors.has(LOGITS) && hasReference(file);

/** Makes the request of a file that holds both sets of logits. The file has the options of a comparison. */
export function requestOfPair(file: NamedFile): TensorFile {
  return requestOf(tensorsOf(file, file), { ...optionsOf(file), outputs: OUTPUTS });
}

/**
 * Makes the request of two files. Labels and mask come from the first file, or else from the reference: both have the same
 * rows.
 * @throws UnreadableFileError when a tensor is missing
 */
export function requestOfTwo(logits: NamedFile, reference: NamedFile): TensorFile {
  const given = { ...optionsOf(reference), ...optionsOf(logits) };
  const options = ROW_OPTIONS.filter((name) => name in given).map((name) => [name, given[name]]);
  return requestOf(tensorsOf(logits, reference), { ...Object.fromEntries(options), outputs: OUTPUTS });
}

/** Lists the tensors in the order of the body. The largest comes last: the service streams it and buffers the others. */
function tensorsOf(logits: NamedFile, reference: NamedFile): Map<string, StoredTensor> {
  const rows = ['label', 'input_mask'].flatMap((name) => {
    const tensor = logits.tensors.get(name) ?? reference.tensors.get(name);
    return tensor === undefined ? [] : [[name, tensor] as const];
  });
  const sides = [...sideOfReference(reference), [LOGITS, requireTensor(logits, LOGITS)] as const];
  return new Map([...rows, ...sides.toSorted(([, a], [, b]) => a.bytes.size - b.bytes.size)]);
}

function sideOfReference(file: NamedFile): (readonly [string, StoredTensor])[] {
  const { tensors } = file;
  const isTop = !tensors.has(REFERENCE) && hasReference(file);
  if (isTop) return TOP_REFERENCE.map((name) => [name, tensors.get(name)!]);
  return [[REFERENCE, tensors.get(REFERENCE) ?? requireTensor(file, LOGITS, `${REFERENCE} or ${LOGITS}`)]];
}

function requireTensor({ name, tensors }: NamedFile, wanted: string, expected = wanted): StoredTensor {
  const tensor = tensors.get(wanted);
  if (tensor !== undefined) return tensor;
  const found = [...tensors.keys()].slice(0, 8).join(', ') || 'none';
  throw new UnreadableFileError(`expected the tensor ${expected} in ${name}; its tensors are ${found}`);
}

const requestOf = (tensors: Map<string, StoredTensor>, options: object): TensorFile => ({
  tensors,
  metadata: { options: JSON.stringify(options) },
});

const optionsOf = ({ name, metadata }: NamedFile): FileOptions => parseOptions(metadata['options'], name);
