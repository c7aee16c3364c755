/**
 * Files of `llama-perplexity --kl-divergence-base`, little-endian: `_logits_`, u32 n_ctx, i32 n_vocab, i32 n_chunk, i32
 * tokens[n_chunk·n_ctx]; then the rows of log-probabilities for the second half of each chunk.
 */
import { LossmeterError, refuse } from '../errors.ts';
import { rowBytesOf } from '../../kernels/quantised.ts';
import { placeIn, showValue } from '../suggestion.ts';
import type { LogitFileRows } from '../tensor/logit-file-rows.ts';
import { LOGIT_FILE_MAGIC } from '../wire/body/file-kind.ts';
import type { FileOpener, ReadableFile } from './readable-file.ts';

/** Extension of the files in llama.cpp's documentation. */
const EXTENSION = '.kld';
const HEADER_BYTES = 20;
const TOKEN_BYTES = 4;

/** Minimum number of tokens of a chunk for which `rowsOf` gives a row. */
const MIN_CONTEXT = 3;

/** Number of tokens read at a time. */
const TOKENS_AT_A_TIME = 16_384;

/**
 * True for a llama.cpp logit file, by its name or by its first bytes.
 * @param first at least as many bytes of the file as the magic has, or the whole file if it is shorter
 */
export function isLogitFile(path: string, first: Uint8Array): boolean {
  const magic = Buffer.from(first).toString('latin1', 0, LOGIT_FILE_MAGIC.length);
  return path.toLowerCase().endsWith(EXTENSION) || (magic !== '' && LOGIT_FILE_MAGIC.startsWith(magic));
}

/** Numbers of a header. */
interface Header {
  readonly context: number;
  readonly classes: number;
  readonly chunks: number;
}

/** A llama.cpp logit file that is open for reading. It detects changes by other programs while it is open. */
export class LogitFile {
  readonly #file: ReadableFile;
  readonly #header: Header;

  private constructor(file: ReadableFile, header: Header) {
    this.#file = file;
    this.#header = header;
  }

  /** Opens a file whose size agrees with its header. @throws LossmeterError invalid_file, and errors of opening the file */
  static open(opener: FileOpener): Promise<LogitFile> {
    return opener('a llama.cpp logit file', async (file) => {
      return new LogitFile(file, await readHeader(file));
    });
  }

  /**
   * The rows, which can be read until the file is closed.
   * @param field field of the request that names the file
   */
  rows(field: string): LogitFileRows {
    const { context, classes, chunks } = this.#header;
    const rowsPerChunk = rowsOf(context);
    const position = HEADER_BYTES + TOKEN_BYTES * chunks * context;
    const byteLength = chunks * rowsPerChunk * rowBytesOf('quantised', classes);
    return {
      chunks,
      rowsPerChunk,
      classes,
      range: this.#file.range(position, byteLength),
      readLabels: () => this.#readLabels(field),
    };
  }

  /** Label of each row: the token after it. Tokens are read in parts of TOKENS_AT_A_TIME. */
  async #readLabels(field: string): Promise<Int32Array<ArrayBuffer>> {
    const { context, classes, chunks } = this.#header;
    const half = Math.floor(context / 2);
    const tokens = chunks * context;
    const labels = new Int32Array(chunks * rowsOf(context));
    let row = 0;
    for (let first = 0; first < tokens; first += TOKENS_AT_A_TIME) {
      const count = Math.min(TOKENS_AT_A_TIME, tokens - first);
      const { buffer } = await this.#file.read(HEADER_BYTES + TOKEN_BYTES * first, TOKEN_BYTES * count);
      new Int32Array(buffer).forEach((token, k) => {
        const at = first + k;
        if (token < 0 || token >= classes) {
          const detail = `token ${at} of ${this.#file.name} is ${token}, expected a class in [0, ${classes}), its n_vocab`;
          throw refuse('invalid_file', placeIn(field, 'kld_file'), detail);
        }
        if (at % context > half) labels[row++] = token;
      });
    }
    return labels;
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

/** Number of rows of a chunk. The first half has no rows, and the last token has none because it has no label. */
function rowsOf(context: number): number {
  return context - 1 - Math.floor(context / 2);
}

/** Reads a header, and compares it with the size of the file. @throws LossmeterError invalid_file, file_unreadable */
async function readHeader(file: ReadableFile): Promise<Header> {
  const { size, name } = file;
  const invalid = (what: string): LossmeterError =>
    new LossmeterError('invalid_file', `${name} is not a valid llama.cpp logit file: ${what}`);
  const first = Buffer.from(await file.read(0, Math.min(size, HEADER_BYTES)));
  const magic = first.toString('latin1', 0, LOGIT_FILE_MAGIC.length);
  if (size === 0) throw invalid(`it is empty, expected a header of ${HEADER_BYTES} bytes`);
  if (!LOGIT_FILE_MAGIC.startsWith(magic))
    throw invalid(`it begins with ${showValue(magic)}, expected ${showValue(LOGIT_FILE_MAGIC)}`);
  if (size < HEADER_BYTES) throw invalid(`it has ${size} bytes, expected a header of ${HEADER_BYTES}: it is cut off`);
  const context = first.readUInt32LE(8);
  const classes = first.readInt32LE(12);
  const chunks = first.readInt32LE(16);
  if (context < MIN_CONTEXT) throw invalid(`its n_ctx is ${context}, expected at least ${MIN_CONTEXT}`);
  if (classes < 1) throw invalid(`its n_vocab is ${classes}, expected at least 1`);
  if (chunks < 1) throw invalid(`its n_chunk is ${chunks}, expected at least 1`);
  // The header may hold any numbers, whose product can exceed 2^53.
  const chunkBytes = BigInt(TOKEN_BYTES * context) + BigInt(rowsOf(context)) * BigInt(rowBytesOf('quantised', classes));
  const expected = BigInt(HEADER_BYTES) + BigInt(chunks) * chunkBytes;
  if (BigInt(size) !== expected) {
    const ends = `n_ctx ${context}, n_vocab ${classes} and n_chunk ${chunks} expect ${expected} bytes, but it has ${size}`;
    throw invalid(`${ends}${BigInt(size) < expected ? ': it is cut off' : ''}`);
  }
  return { context, classes, chunks };
}
