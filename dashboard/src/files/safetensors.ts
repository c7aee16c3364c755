/** Safetensors files in the browser. Only headers are read; tensors are slices of the file, which stays on the disk. */
import { UnreadableFileError } from './unreadable-file.ts';

const LENGTH_BYTES = 8;

/** Longest header that the format allows, in bytes. */
const MAX_HEADER_BYTES = 100_000_000;

/** Tensor of a file. The service checks the dtype and the shape. */
export interface StoredTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Blob;
}

export interface TensorFile {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Text by name. */
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads the header of a file.
 * @param name of the file, for errors
 * @throws UnreadableFileError
 */
export async function readTensorFile(file: Blob, name: string): Promise<TensorFile> {
  const fail = (what: string): UnreadableFileError =>
    new UnreadableFileError(`${name} is not a safetensors file: ${what}`);
  const lengthField = await file.slice(0, LENGTH_BYTES).arrayBuffer();
  if (lengthField.byteLength < LENGTH_BYTES) throw fail(`it has ${file.size} bytes`);
  const length = new DataView(lengthField).getBigUint64(0, true);
  const begin = LENGTH_BYTES + Number(length);
  if (length > MAX_HEADER_BYTES || begin > file.size) throw fail(`its header has ${length} bytes`);
  const { __metadata__: metadata, ...entries } = parseHeader(await file.slice(LENGTH_BYTES, begin).text(), fail);
  const tensors = Object.entries(entries).map(([tensor, entry]): [string, StoredTensor] => {
    const { dtype, shape, data_offsets: offsets } = (entry ?? {}) as Record<string, unknown>;
    const [from, to] = Array.isArray(offsets) ? (offsets as unknown[]) : [];
    if (typeof dtype !== 'string' || !Array.isArray(shape) || !isOffset(from) || !isOffset(to) || from > to) {
      throw fail(`its header describes ${tensor} as ${JSON.stringify(entry)}`);
    }
    if (begin + to > file.size) {
      throw fail(`${tensor} ends at byte ${begin + to}, the file at byte ${file.size}: it is truncated`);
    }
    return [tensor, { dtype, shape: shape as number[], bytes: file.slice(begin + from, begin + to) }];
  });
  return { tensors: new Map(tensors), metadata: (metadata ?? {}) as Record<string, string> };
}

function parseHeader(text: string, fail: (what: string) => Error): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch {
    throw fail('its header is not JSON');
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) throw fail('its header is not an object');
  return header as Record<string, unknown>;
}

const isOffset = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** Joins tensors into a file, in the given order, without reading them. */
export function writeTensorFile({ tensors, metadata }: TensorFile): Blob {
  let end = 0;
  const entries = [...tensors].map(([name, { dtype, shape, bytes }]) => {
    const begin = end;
    end += bytes.size;
    return [name, { dtype, shape, data_offsets: [begin, end] }] as const;
  });
  const text = JSON.stringify({ __metadata__: metadata, ...Object.fromEntries(entries) });
  const characters = new TextEncoder().encode(text);
  // Padded with spaces to a multiple of 8 bytes, so that the tensors begin aligned.
  const length = Math.ceil(characters.byteLength / LENGTH_BYTES) * LENGTH_BYTES;
  const header = new Uint8Array(LENGTH_BYTES + length).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(characters, LENGTH_BYTES);
  return new Blob([header, ...[...tensors.values()].map(({ bytes }) => bytes)]);
}
