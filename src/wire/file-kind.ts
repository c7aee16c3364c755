/** Bytes by which a file's kind is told. */
export const KIND_BYTES = 128;

const NPY = Buffer.from('\x93NUMPY', 'latin1');
const GGUF = Buffer.from('GGUF');
/** PKZIP's APPNOTE.TXT, 4.3.7: the signature of a file in the archive, the length of its name, and its name. */
const ZIP = Buffer.from('PK\x03\x04');
const ZIP_NAME_LENGTH_AT = 26;
const ZIP_NAME_AT = 30;
/** The opcode PROTO, and the protocols that write it. */
const PICKLE = 0x80;
const PICKLE_PROTOCOLS: ReadonlySet<number | undefined> = new Set([2, 3, 4, 5]);

/** Where to go from files of other kinds. */
const BY_NUMPY = 'safetensors.numpy.save_file writes its arrays so that they are read';
const BY_CLIENT = `python -m lossmeter evaluate reads it, and ${BY_NUMPY}`;
const BY_TORCH = 'safetensors.torch.save_file writes its tensors so that they are read, after torch.load';

/**
 * Kinds of files that hold tensors and are not read here.
 * @param first bytes of the file, up to KIND_BYTES
 * @returns its kind and what to do about it, as a message names them; undefined for anything else
 */
export function kindOfFile(first: Uint8Array): { kind: string; advice: string } | undefined {
  const bytes = Buffer.from(first.buffer, first.byteOffset, first.byteLength);
  if (startsWith(bytes, NPY)) return { kind: 'an array of NumPy (.npy)', advice: BY_NUMPY };
  if (startsWith(bytes, GGUF)) {
    return { kind: 'a model in GGUF (.gguf)', advice: 'its quantised weights are no logits' };
  }
  if (startsWith(bytes, ZIP)) return kindOfArchive(bytes);
  if (bytes[0] === PICKLE && PICKLE_PROTOCOLS.has(bytes[1])) {
    return { kind: 'a pickle of Python, as old .pt files are', advice: `pickles are code and never read; ${BY_TORCH}` };
  }
  return undefined;
}

/** An archive by its first file: torch.save puts a pickle in a folder there, NumPy an array. */
function kindOfArchive(bytes: Buffer): { kind: string; advice: string } {
  const isLong = bytes.byteLength >= ZIP_NAME_AT;
  const length = isLong ? bytes.readUInt16LE(ZIP_NAME_LENGTH_AT) : 0;
  const name = bytes.toString('latin1', ZIP_NAME_AT, ZIP_NAME_AT + length);
  if (name.endsWith('.npy')) return { kind: 'an archive of NumPy (.npz)', advice: BY_CLIENT };
  if (name.includes('/')) return { kind: 'a file of PyTorch (.pt)', advice: BY_TORCH };
  return { kind: 'a ZIP archive', advice: BY_NUMPY };
}

function startsWith(bytes: Buffer, magic: Buffer): boolean {
  return bytes.subarray(0, magic.byteLength).equals(magic);
}
