/** Number of bytes at the start of a file that identify its kind. */
export const KIND_BYTES = 128;

/** Signature of the files that `llama-perplexity --kl-divergence-base` writes. */
export const LOGIT_FILE_MAGIC = '_logits_';

const NPY = '\u0093NUMPY';
const GGUF = 'GGUF';
/** Local file header of a ZIP archive (PKWARE's APPNOTE.TXT, 4.3.7): signature, length of the file's name, and the name. */
const ZIP = 'PK\u0003\u0004';
const ZIP_NAME_LENGTH_AT = 26;
const ZIP_NAME_AT = 30;
/** Opcode PROTO of a pickle, and the pickle protocols that start with it. */
const PICKLE = 0x80;
const PICKLE_PROTOCOLS: ReadonlySet<number | undefined> = new Set([2, 3, 4, 5]);

/** Advice for files of other kinds. */
const BY_NUMPY = 'convert its arrays with safetensors.numpy.save_file';
const BY_CLIENT = `evaluate it with python -m lossmeter evaluate, or ${BY_NUMPY}`;
const BY_TORCH = 'load it with torch.load, and convert its tensors with safetensors.torch.save_file';

/**
 * Recognises files of tensors in formats that the service does not read.
 * @param first bytes of the file, up to KIND_BYTES
 * @returns kind of the file and advice, both for error messages; undefined for any other content
 */
export function kindOfFile(first: Uint8Array): { kind: string; advice: string } | undefined {
  // One character per byte.
  const text = String.fromCharCode(...first.subarray(0, KIND_BYTES));
  if (text.startsWith(NPY)) return { kind: 'an array of NumPy (.npy)', advice: BY_NUMPY };
  if (text.startsWith(GGUF)) {
    return { kind: 'a model in GGUF (.gguf)', advice: 'its quantised weights are not logits' };
  }
  if (text.startsWith(LOGIT_FILE_MAGIC)) {
    return {
      kind: 'a logit file of llama.cpp (.kld)',
      advice: 'use it as the reference of lossmeter compare --reference',
    };
  }
  if (text.startsWith(ZIP)) return kindOfArchive(text);
  if (first[0] === PICKLE && PICKLE_PROTOCOLS.has(first[1]) && !mayBeSafetensors(first)) {
    return {
      kind: 'a pickle of Python, as old .pt files are',
      advice: `pickles contain code and are not read; ${BY_TORCH}`,
    };
  }
  return undefined;
}

/**
 * Returns true when bytes 4 to 7 are 0 or missing. They are the upper half of the header length of a safetensors file, whose
 * first bytes may equal those of a pickle.
 */
function mayBeSafetensors(first: Uint8Array): boolean {
  return first.byteLength < 8 || first.subarray(4, 8).every((byte) => byte === 0);
}

/** Kind of a ZIP archive by its first file: torch.save stores a pickle in a folder, NumPy an array. */
function kindOfArchive(text: string): { kind: string; advice: string } {
  const byteAt = (at: number): number => text.charCodeAt(at) || 0;
  const length = byteAt(ZIP_NAME_LENGTH_AT) + 256 * byteAt(ZIP_NAME_LENGTH_AT + 1);
  const name = text.slice(ZIP_NAME_AT, ZIP_NAME_AT + length);
  if (name.endsWith('.npy')) return { kind: 'an archive of NumPy (.npz)', advice: BY_CLIENT };
  if (name.includes('/')) return { kind: 'a file of PyTorch (.pt)', advice: BY_TORCH };
  return { kind: 'a ZIP archive', advice: BY_NUMPY };
}
