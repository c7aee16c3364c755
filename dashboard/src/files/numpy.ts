import { KIND_BYTES, kindOfFile } from '../../../src/wire/body/file-kind.ts';
import { readArray } from './npy.ts';
import { writeTensorFile } from './safetensors.ts';
import type { StoredTensor } from './safetensors.ts';
import { UnreadableFileError } from './unreadable-file.ts';
import { readArchive } from './zip.ts';

type Kind = 'array' | 'archive';

/** Kind of a NumPy file; undefined for other files. */
async function kindOf(file: File): Promise<Kind | undefined> {
  const kind = kindOfFile(new Uint8Array(await file.slice(0, KIND_BYTES).arrayBuffer()))?.kind;
  if (kind?.includes('(.npy)')) return 'array';
  return kind?.includes('(.npz)') ? 'archive' : undefined;
}

/**
 * Converts a NumPy archive (.npz) to a safetensors file. Files that are not from NumPy are returned as they are.
 * @throws UnreadableFileError for a single array (.npy), and for an archive that cannot be read
 */
export async function withoutNumpy(file: File): Promise<File> {
  const kind = await kindOf(file);
  if (kind === undefined) return file;
  if (kind === 'array') {
    throw new UnreadableFileError(
      `${file.name} is a single NumPy array (.npy); choose the files of logits and labels together, or write both ` +
        'into one file with numpy.savez(file, logits=…, label=…)',
    );
  }
  const arrays = new Map<string, StoredTensor>();
  for (const [name, bytes] of await readArchive(file)) {
    arrays.set(name.replace(/\.npy$/, ''), await readArray(bytes, `${name} of ${file.name}`));
  }
  return toFile(arrays, file.name);
}

/**
 * Joins two NumPy arrays (.npy) into one safetensors file. The array of integers has the labels.
 * @returns undefined for other files
 * @throws UnreadableFileError unless exactly one of the arrays has an integer dtype
 */
export async function joinArrays(first: File, second: File): Promise<File | undefined> {
  if ((await kindOf(first)) !== 'array' || (await kindOf(second)) !== 'array') return undefined;
  const [a, b] = await Promise.all([readArray(first, first.name), readArray(second, second.name)]);
  const isWhole = ({ dtype }: StoredTensor): boolean => /^[IU]/.test(dtype);
  if (isWhole(a) === isWhole(b)) {
    throw new UnreadableFileError(
      `expected an array of logits and one of integer labels; ${first.name} has ${a.dtype}, ${second.name} ${b.dtype}`,
    );
  }
  const [logits, label] = isWhole(a) ? [b, a] : [a, b];
  return toFile(new Map(Object.entries({ logits, label })), `${first.name} and ${second.name}`);
}

/** Makes a file. The largest array comes last: the service streams it and buffers the others. */
function toFile(arrays: ReadonlyMap<string, StoredTensor>, name: string): File {
  const tensors = new Map([...arrays].toSorted(([, a], [, b]) => a.bytes.size - b.bytes.size));
  return new File([writeTensorFile({ tensors, metadata: {} })], name);
}
