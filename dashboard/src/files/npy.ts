/** NumPy arrays in the browser. Only headers are read; arrays are slices of the file, which stays on the disk. */
import type { StoredTensor } from './safetensors.ts';
import { UnreadableFileError } from './unreadable-file.ts';

/** Safetensors dtypes by NumPy dtype. */
const DTYPES: Readonly<Record<string, string>> = {
  '<f2': 'F16',
  '<f4': 'F32',
  '<f8': 'F64',
  '|i1': 'I8',
  '<i2': 'I16',
  '<i4': 'I32',
  '<i8': 'I64',
  '|u1': 'U8',
  '<u2': 'U16',
  '<u4': 'U32',
  '<u8': 'U64',
  '|b1': 'BOOL',
};

const MAGIC_BYTES = 8;

/** Longest accepted header, in bytes. Headers of numeric arrays are shorter. */
const MOST_HEADER = 65_536;

/** Bytes of the header's length field, by major version of the format. */
const LENGTH_BYTES: Readonly<Record<number, number>> = { 1: 2, 2: 4, 3: 4 };

/**
 * Reads the header of an array.
 * @param name of the array, for errors
 * @throws UnreadableFileError
 */
export async function readArray(file: Blob, name: string): Promise<StoredTensor> {
  const fail = (what: string): UnreadableFileError => new UnreadableFileError(`${name} cannot be read: ${what}`);
  const head = new DataView(await file.slice(0, MAGIC_BYTES + 4).arrayBuffer());
  const lengthBytes = head.byteLength > MAGIC_BYTES + 3 ? LENGTH_BYTES[head.getUint8(6)] : undefined;
  if (lengthBytes === undefined) throw fail('it is not a NumPy array of a known version');
  const length = lengthBytes === 2 ? head.getUint16(MAGIC_BYTES, true) : head.getUint32(MAGIC_BYTES, true);
  const begin = MAGIC_BYTES + lengthBytes + length;
  if (length > MOST_HEADER || begin > file.size) throw fail(`its header has ${length} bytes`);
  const header = await file.slice(MAGIC_BYTES + lengthBytes, begin).text();
  const descr = /'descr':\s*'([^']*)'/.exec(header)?.[1];
  const dims = /'shape':\s*\(([\d,\s]*)\)/.exec(header)?.[1];
  const dtype = descr === undefined ? undefined : DTYPES[descr];
  if (dtype === undefined || dims === undefined) {
    throw fail(`its dtype is ${descr ?? 'of a compound type'}, expected one of ${Object.keys(DTYPES).join(', ')}`);
  }
  const shape = dims
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean)
    .map(Number);
  if (/'fortran_order':\s*True/.test(header) && shape.length > 1) {
    throw fail('it is in Fortran order; convert it with numpy.ascontiguousarray');
  }
  const bytes = shape.reduce((product, size) => product * size, Number(/\d/.exec(descr!)![0]));
  if (begin + bytes > file.size)
    throw fail(`its data end at byte ${begin + bytes}, the file ends at byte ${file.size}`);
  return { dtype, shape, bytes: file.slice(begin, begin + bytes) };
}
