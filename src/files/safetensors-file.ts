import { LossmeterError, refuse } from '../errors.ts';
import { placeIn, showValue, suggestName } from '../suggestion.ts';
import type { FileTensor } from '../tensor/file-tensor.ts';
import { KIND_BYTES, kindOfFile } from '../wire/body/file-kind.ts';
import { LENGTH_BYTES, MAX_HEADER_BYTES, parseHeader, requireReadable } from '../wire/safetensors/header.ts';
import type { ReadableTensor, SafetensorsHeader, StoredTensor } from '../wire/safetensors/header.ts';
import type { FileOpener, ReadableFile } from './readable-file.ts';

/** Extension of safetensors files. */
export const SAFETENSORS = '.safetensors';

/** Maximum number of tensor names in a message. */
const MAX_NAMES = 8;

/** Opens the safetensors file of a path. @throws LossmeterError */
export type OpenSafetensors = (path: string) => Promise<SafetensorsFile>;

/** A safetensors file that is open for reading. It detects changes by other programs while it is open. */
export class SafetensorsFile {
  readonly #file: ReadableFile;
  readonly header: SafetensorsHeader;
  /** Offset of the tensors' bytes. */
  readonly #dataStart: number;

  private constructor(file: ReadableFile, header: { value: SafetensorsHeader; end: number }) {
    this.#file = file;
    this.header = header.value;
    this.#dataStart = header.end;
  }

  /**
   * @param maxHeaderBytes maximum length of the JSON header
   * @throws LossmeterError invalid_file, and errors of opening the file
   */
  static open(opener: FileOpener, maxHeaderBytes: number): Promise<SafetensorsFile> {
    return opener('a safetensors file', async (file) => {
      return new SafetensorsFile(file, await readHeader(file, maxHeaderBytes));
    });
  }

  /**
   * Finds a tensor, which can be read until the file is closed.
   * @param field field of the request that names it
   * @throws LossmeterError invalid_tensor when the file lacks the tensor, or its dtype is not supported
   */
  tensor(field: string, name: string): FileTensor {
    const { tensors } = this.header;
    const stored = tensors.find((tensor) => tensor.name === name);
    if (stored === undefined) {
      const names = tensors.map((tensor) => tensor.name);
      const meant = suggestName(name, names);
      const some = names.slice(0, MAX_NAMES).map((known) => showValue(known));
      if (names.length > some.length) some.push('…');
      const hint = meant === undefined ? `it has ${some.join(', ') || 'none'}` : `did you mean ${showValue(meant)}?`;
      const detail = `${this.#file.name} has no tensor ${showValue(name)}: ${hint}`;
      throw refuse('invalid_tensor', placeIn(field, 'tensor'), detail);
    }
    const { dtype, shape, begin, byteLength } = this.#requireReadable(field, stored);
    const position = this.#dataStart + begin;
    return {
      dtype,
      shape,
      range: this.#file.range(position, byteLength),
      read: () => this.#file.read(position, byteLength),
    };
  }

  #requireReadable(field: string, stored: StoredTensor): ReadableTensor {
    try {
      return requireReadable(stored);
    } catch (error) {
      if (!(error instanceof LossmeterError)) throw error;
      throw refuse(error.code, placeIn(field, 'tensor'), `${this.#file.name}: ${error.message}`);
    }
  }

  /** @throws LossmeterError file_changed: see ReadableFile */
  requireUnchanged(): Promise<void> {
    return this.#file.requireUnchanged();
  }

  /** Makes pending reads fail: see ReadableFile. */
  cancelReads(): void {
    this.#file.cancelReads();
  }

  /** Closes the file. No read may be in progress. */
  close(): Promise<void> {
    return this.#file.close();
  }
}

/** @throws LossmeterError invalid_file, file_unreadable */
async function readHeader(
  file: ReadableFile,
  maxHeaderBytes: number,
): Promise<{ value: SafetensorsHeader; end: number }> {
  const { size } = file;
  const invalid = (what: string, cause?: unknown): LossmeterError =>
    new LossmeterError('invalid_file', `${file.name} is not a valid safetensors file: ${what}`, [], { cause });
  if (size === 0) throw invalid('it is empty');
  if (size < LENGTH_BYTES) throw invalid(`it has ${size} bytes`);
  const first = Buffer.from(await file.read(0, Math.min(size, KIND_BYTES)));
  const length = first.readBigUInt64LE();
  const most = Math.min(maxHeaderBytes, MAX_HEADER_BYTES);
  if (length < 2n || length > most) {
    const found = kindOfFile(first);
    if (found !== undefined) throw invalid(`it is ${found.kind}; ${found.advice}`);
    throw invalid(`its first 8 bytes announce a header of ${length} bytes, expected 2 to ${most}`);
  }
  const end = LENGTH_BYTES + Number(length);
  if (size < end) throw invalid(`its header should end at byte ${end}, but it has ${size} bytes`);
  const bytes = await file.read(LENGTH_BYTES, Number(length));
  const value = parse(bytes, invalid);
  const last = value.tensors.at(-1);
  const expected = end + (last === undefined ? 0 : last.begin + last.byteLength);
  if (size !== expected) {
    throw invalid(
      `its tensors end at byte ${expected}, but it has ${size} bytes${size < expected ? ': it is cut off' : ''}`,
    );
  }
  return { value, end };
}

function parse(bytes: Uint8Array, invalid: (what: string, cause: unknown) => LossmeterError): SafetensorsHeader {
  try {
    return parseHeader(bytes);
  } catch (error) {
    throw error instanceof LossmeterError ? invalid(error.message, error) : error;
  }
}
