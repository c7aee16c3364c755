/** Finds the frames of zstd data, which Node.js decodes one at a time. Section numbers are those of RFC 8878. */

/** Logarithm to base 2 of the largest window that is decoded: that of `zstd --long=27`, the largest without a setting. */
export const MAX_WINDOW_LOG = 27;

/** Magic number of a frame (3.1.1), little-endian. */
const FRAME = 0xfd2fb528;

/** Magic numbers of skippable frames (3.1.2) without their last four bits. */
const SKIPPABLE = 0x184d2a5;

const MAGIC_BYTES = 4;
const BLOCK_HEADER_BYTES = 3;

/** Bytes of a skippable frame before its data: the magic number and the size of the data. */
const SKIPPABLE_HEADER_BYTES = 8;

/** The longest header of a frame with its magic number: 4 + 1 + 1 + 4 + 8 bytes. */
const MAX_HEADER_BYTES = 18;

/** Bytes of a dictionary's identifier by its flag (3.1.1.1.1.6). */
const DICTIONARY_BYTES = [0, 1, 2, 4];

/** Bytes of the content's size by its flag (3.1.1.1.1.1). */
const CONTENT_SIZE_BYTES = [0, 2, 4, 8];

/** A block of one byte that is repeated (3.1.1.2.2). */
const RLE_BLOCK = 1;

/** A header, of which more bytes are needed before more can be said of it. */
type Header = 'magic' | 'frame' | 'skippable' | 'block';

/** Called for each frame with the bytes of window that it needs; what it throws refuses the frame. */
type OnFrame = (windowBytes: number) => void;

/** Cuts zstd data at the ends of its frames, in whatever chunks it comes, and leaves skippable frames out. */
export class ZstdFrames {
  readonly #onFrame: OnFrame;
  readonly #header = Buffer.alloc(MAX_HEADER_BYTES);
  /** Bytes of the header that are here, and those that are needed. */
  #filled = 0;
  #needed = MAGIC_BYTES;
  #kind: Header = 'magic';
  /** Bytes that come before the next header. */
  #content = 0;
  /** True when the frame ends after these bytes. */
  #isLast = false;
  #hasChecksum = false;
  /** True within what a decoder is to see: a frame that is not skippable, or what is no frame. */
  #isForDecoder = false;
  /** True when what comes is no frame: its decoder says what is wrong. */
  #isUnknown = false;
  #withheld = 0;

  constructor(onFrame: OnFrame) {
    this.#onFrame = onFrame;
  }

  /** Bytes that came and are not for a decoder: those of skippable frames, and of a magic number that is not complete. */
  get withheld(): number {
    return this.#withheld;
  }

  /** Beginning of a frame that has not ended, and of which the decoder has seen nothing: it says that it is cut off. */
  get unfinished(): Uint8Array {
    return this.#isForDecoder ? this.#header.subarray(0, 0) : this.#header.subarray(0, this.#filled);
  }

  /** Parts of a chunk for the decoder, in order, with no bytes of two frames in one part. */
  *split(chunk: Uint8Array): Generator<Uint8Array, void, undefined> {
    /** Where the part begins, within one. */
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
          // The chunk before may have begun the magic number.
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
   * Passes skippable frames that lie within the chunk as a whole. Byte by byte, as other headers are read, a chunk of them
   * would hold the main thread for 40 ms.
   * @returns where anything else begins
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

  /** The descriptor says how long the header is (3.1.1.1). */
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

  /** 1 bit: whether it is the last; 2 bits: its type; 21 bits: its size (3.1.1.2). */
  #readBlockHeader(): void {
    const header = this.#header.readUIntLE(0, BLOCK_HEADER_BYTES);
    const isRepeated = ((header >>> 1) & 3) === RLE_BLOCK;
    this.#content = isRepeated ? 1 : header >>> 3;
    this.#isLast = (header & 1) === 1;
    if (this.#isLast && this.#hasChecksum) this.#content += 4;
    this.#expect('block', BLOCK_HEADER_BYTES);
  }
}

/** undefined where the frame does not say it. A size of two bytes is less by 256 (3.1.1.1.4). */
function readContentSize(header: Buffer, at: number, bytes: number): number | undefined {
  if (bytes === 0) return undefined;
  if (bytes === 8) return Number(header.readBigUInt64LE(at));
  return header.readUIntLE(at, bytes) + (bytes === 2 ? 256 : 0);
}

/** 5 bits of exponent, 3 of mantissa (3.1.1.1.2). */
function readWindowSize(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >>> 3));
  return base + (base / 8) * (descriptor & 7);
}
