import { closeSync, openSync, readSync } from 'node:fs';

/**
 * Bytes of the header of a write-ahead log, and bytes of the header of a frame:
 * https://www.sqlite.org/fileformat2.html#walformat
 */
const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;

/** First four bytes of a log with little-endian checksums. With big-endian checksums, the lowest bit is 1. */
const MAGIC = 0x377f0682;

/** Frames per read. */
const FRAMES_AT_ONCE = 64;

/** Running checksum of a log. */
type Checksum = [number, number];

interface Header {
  pageBytes: number;
  littleEndian: boolean;
  salt: bigint;
  checksum: Checksum;
}

/**
 * A write-ahead log of SQLite, read independently of SQLite. SQLite locks other files, so closing this one drops no POSIX
 * locks.
 */
export class LogFile {
  readonly #descriptor: number;

  constructor(path: string) {
    this.#descriptor = openSync(path, 'r');
  }

  /**
   * Salt of the log, which changes each time that SQLite restarts the log from its beginning. Undefined without a valid
   * header.
   */
  salt(): bigint | undefined {
    return this.#readHeader()?.salt;
  }

  /** Returns true when the header is valid and the frame at the given count belongs to it. */
  hasFrame(frames: number): boolean {
    const header = this.#readHeader();
    if (header === undefined) return false;
    const frameBytes = FRAME_HEADER_BYTES + header.pageBytes;
    const last = this.#read(HEADER_BYTES + (frames - 1) * frameBytes, frameBytes);
    // Reads a whole frame: a truncated log ends before it.
    return last !== undefined && last.readBigUInt64BE(8) === header.salt;
  }

  /** Returns true when the checksums from the header up to the given frame are valid. */
  isWhole(frames: number): boolean {
    const header = this.#readHeader();
    if (header === undefined) return false;
    const { pageBytes, littleEndian, salt } = header;
    const frameBytes = FRAME_HEADER_BYTES + pageBytes;
    let checksum = header.checksum;
    for (let first = 0; first < frames; first += FRAMES_AT_ONCE) {
      const count = Math.min(FRAMES_AT_ONCE, frames - first);
      const bytes = this.#read(HEADER_BYTES + first * frameBytes, count * frameBytes);
      if (bytes === undefined) return false;
      for (let at = 0; at < bytes.length; at += frameBytes) {
        checksum = addTo(checksum, bytes.subarray(at, at + 8), littleEndian);
        checksum = addTo(checksum, bytes.subarray(at + FRAME_HEADER_BYTES, at + frameBytes), littleEndian);
        if (bytes.readBigUInt64BE(at + 8) !== salt || !isAt(bytes, at + 16, checksum)) return false;
      }
    }
    return true;
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #readHeader(): Header | undefined {
    const bytes = this.#read(0, HEADER_BYTES);
    if (bytes === undefined) return undefined;
    const magic = bytes.readUInt32BE(0);
    const littleEndian = magic === MAGIC;
    if (!littleEndian && magic !== MAGIC + 1) return undefined;
    const checksum = addTo([0, 0], bytes.subarray(0, 24), littleEndian);
    if (!isAt(bytes, 24, checksum)) return undefined;
    return { pageBytes: bytes.readUInt32BE(8), littleEndian, salt: bytes.readBigUInt64BE(16), checksum };
  }

  /** Returns undefined when the file is too short. */
  #read(position: number, length: number): Buffer | undefined {
    const bytes = Buffer.allocUnsafe(length);
    return readSync(this.#descriptor, bytes, 0, length, position) === length ? bytes : undefined;
  }
}

/** Adds words, two at a time: s₀ += x₀ + s₁, s₁ += x₁ + s₀, modulo 2³². */
function addTo([first, second]: Checksum, bytes: Buffer, littleEndian: boolean): Checksum {
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.byteLength; at += 8) {
    first = (first + words.getUint32(at, littleEndian) + second) >>> 0;
    second = (second + words.getUint32(at + 4, littleEndian) + first) >>> 0;
  }
  return [first, second];
}

function isAt(bytes: Buffer, at: number, [first, second]: Checksum): boolean {
  return bytes.readUInt32BE(at) === first && bytes.readUInt32BE(at + 4) === second;
}
