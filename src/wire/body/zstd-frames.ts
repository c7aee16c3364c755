/** Splits zstd data into frames, because Node.js decodes one frame at a time. Section numbers refer to RFC 8878. */

/** Base-2 logarithm of the largest accepted window: `zstd --long=27`, the largest that zstd decodes by default. */
export const MAX_WINDOW_LOG = 27;

/** Magic number of a frame (3.1.1), little-endian. */
const FRAME = 0xfd2fb528;

/** Magic numbers of skippable frames (3.1.2) without their lowest four bits. */
const SKIPPABLE = 0x184d2a5;

const MAGIC_BYTES = 4;
const BLOCK_HEADER_BYTES = 3;

/** Bytes of a skippable frame before its data: the magic number and the size of the data. */
const SKIPPABLE_HEADER_BYTES = 8;

/** Longest frame header with its magic number: 4 + 1 + 1 + 4 + 8 bytes. */
const MAX_HEADER_BYTES = 18;

/** Bytes of the dictionary identifier, by its flag (3.1.1.1.1.6). */
const DICTIONARY_BYTES = [0, 1, 2, 4];

/** Bytes of the content size, by its flag (3.1.1.1.1.1). */
const CONTENT_SIZE_BYTES = [0, 2, 4, 8];

/** Type of a block that stores one repeated byte (3.1.1.2.2). */
const RLE_BLOCK = 1;

/** Kind of the header that is being read. */
type Header = 'magic' | 'frame' | 'skippable' | 'block';

/** Called for each frame with the size of its window. Throws to refuse the frame. */
type OnFrame = (windowBytes: number) => void;

/** Cuts zstd data, received in chunks of any size, at the ends of its frames, and omits skippable frames. */
export class ZstdFrames {
  readonly #onFrame: OnFrame;
  readonly #header = Buffer.alloc(MAX_HEADER_BYTES);
  /** Bytes of the header that were received, and that are needed. */
  #filled = 0;
  #needed = MAGIC_BYTES;
  #kind: Header = 'magic';
  /** Bytes left before the next header. */
  #content = 0;
  /** True when the frame ends after these bytes. */
  #isLast = false;
  #hasChecksum = false;
  /** True within data for the decoder: a frame that is not skippable, or data that is not a frame. */
  #isForDecoder = false;
  /** True when the data is not a frame. The decoder then reports the error. */
  #isUnknown = false;
  #withheld = 0;

  constructor(onFrame: OnFrame) {
    this.#onFrame = onFrame;
  }

  /** Received bytes that are not for the decoder: skippable frames, and an incomplete magic number. */
  get withheld(): number {
    return this.#withheld;
  }

  /** Header of an incomplete frame, before the decoder receives it. The decoder reports it as truncated. */
  get unfinished(): Uint8Array {
    return this.#isForDecoder ? this.#header.subarray(0, 0) : this.#header.subarray(0, this.#filled);
  }

  /** Parts of a chunk for the decoder, in order, with no bytes of two frames in one part. */
  *split(chunk: Uint8Array): Generator<Uint8Array, void, undefined> {
    /** Index in the chunk at which the current part begins. */
    let begin = 0;
    let withheld = chunk.byteLength;
    const bytesOf = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    for (let at = 0; at < chunk.byteLength && !this.#isUnknown;) {
      if (this.#kind === 'magic' && this.#filled === 0 && this.#content === 0) {
        at = this.#passSkippable(bytesOf, at);
        if (at === chunk.byteLength) break;
      }
      if (this.#content > 0) {
        const bytes = Math.min(this.#content, chunk.byteLength - at);
        this.#content -= bytes;
        at += bytes;
      } else {
        const wasForDecoder = this.#isForDecoder;
        this.#header[this.#filled++] = chunk[at++]!;
        if (this.#filled === this.#needed) this.#readHeader();
        if (this.#isForDecoder && !wasForDecoder) {
          begin = Math.max(0, at - MAGIC_BYTES);
          // The magic number may have begun in the previous chunk.
          const before = MAGIC_BYTES - (at - begin);
          withheld -= before;
          if (before > 0) yield Uint8Array.from(this.#header.subarray(0, before));
        }
      }
      if (this.#content > 0 || !this.#isLast) continue;
      const isPart = this.#isForDecoder;
      this.#isLast = false;
      this.#isForDecoder = false;
      this.#expect('magic', MAGIC_BYTES);
      if (!isPart) continue;
      withheld -= at - begin;
      yield chunk.subarray(begin, at);
    }
    if (this.#isForDecoder) withheld -= chunk.byteLength - begin;
    this.#withheld += withheld;
    if (this.#isForDecoder && begin < chunk.byteLength) yield chunk.subarray(begin);
  }

  /**
   * Skips skippable frames that lie wholly within the chunk. Reading their headers byte by byte, like other headers, would
   * block the main thread for 40 ms per chunk.
   * @returns index of the first byte after them
   */
  #passSkippable(chunk: DataView, begin: number): number {
    let at = begin;
    while (at + SKIPPABLE_HEADER_BYTES <= chunk.byteLength && chunk.getUint32(at, true) >>> 4 === SKIPPABLE) {
      const end = at + SKIPPABLE_HEADER_BYTES + chunk.getUint32(at + MAGIC_BYTES, true);
      if (end > chunk.byteLength) return at;
      at = end;
    }
    return at;
  }

  #expect(kind: Header, bytes: number): void {
    this.#kind = kind;
    this.#filled = 0;
    this.#needed = bytes;
  }

  #readHeader(): void {
    if (this.#kind === 'magic') this.#readMagic();
    else if (this.#kind === 'frame') this.#readFrameHeader();
    else if (this.#kind === 'block') this.#readBlockHeader();
    else {
      this.#content = this.#header.readUInt32LE(MAGIC_BYTES);
      this.#isLast = true;
    }
  }

  #readMagic(): void {
    const magic = this.#header.readUInt32LE();
    this.#isForDecoder = magic >>> 4 !== SKIPPABLE;
    if (magic === FRAME) {
      this.#kind = 'frame';
      this.#needed = MAGIC_BYTES + 1;
    } else if (this.#isForDecoder) {
      this.#isUnknown = true;
    } else {
      this.#kind = 'skippable';
      this.#needed = SKIPPABLE_HEADER_BYTES;
    }
  }

  /** Reads the header of a frame. Its descriptor gives the length of the header (3.1.1.1). */
  #readFrameHeader(): void {
    const descriptor = this.#header[MAGIC_BYTES]!;
    const isSingleSegment = (descriptor & 0x20) !== 0;
    const sizeFlag = descriptor >>> 6;
    const sizeBytes = sizeFlag === 0 && isSingleSegment ? 1 : CONTENT_SIZE_BYTES[sizeFlag]!;
    const windowAt = MAGIC_BYTES + 1;
    const sizeAt = windowAt + (isSingleSegment ? 0 : 1) + DICTIONARY_BYTES[descriptor & 3]!;
    this.#needed = sizeAt + sizeBytes;
    if (this.#filled < this.#needed) return;
    const contentSize = readContentSize(this.#header, sizeAt, sizeBytes);
    const windowSize = isSingleSegment ? contentSize! : readWindowSize(this.#header[windowAt]!);
    this.#onFrame(windowSize);
    this.#hasChecksum = (descriptor & 4) !== 0;
    this.#expect('block', BLOCK_HEADER_BYTES);
  }

  /** Reads the header of a block: 1 bit for the last block, 2 bits of type, 21 bits of size (3.1.1.2). */
  #readBlockHeader(): void {
    const header = this.#header.readUIntLE(0, BLOCK_HEADER_BYTES);
    const isRepeated = ((header >>> 1) & 3) === RLE_BLOCK;
    this.#content = isRepeated ? 1 : header >>> 3;
    this.#isLast = (header & 1) === 1;
    if (this.#isLast && this.#hasChecksum) this.#content += 4;
    this.#expect('block', BLOCK_HEADER_BYTES);
  }
}

/** Size of the content; undefined when the frame omits it. A size of two bytes is stored minus 256 (3.1.1.1.4). */
function readContentSize(header: Buffer, at: number, bytes: number): number | undefined {
  if (bytes === 0) return undefined;
  if (bytes === 8) return Number(header.readBigUInt64LE(at));
  return header.readUIntLE(at, bytes) + (bytes === 2 ? 256 : 0);
}

/** Size of the window, from 5 bits of exponent and 3 bits of mantissa (3.1.1.1.2). */
function readWindowSize(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >>> 3));
  return base + (base / 8) * (descriptor & 7);
}
