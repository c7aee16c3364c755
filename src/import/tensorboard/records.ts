import { maskedCrc32c } from './crc32c.ts';

/** Bytes before the data of a record: its length, 64 bits, and the masked CRC-32C of the length. */
const HEADER_BYTES = 12;

/** Bytes after the data: their masked CRC-32C. */
const FOOTER_BYTES = 4;

/** Maximum number of bytes of a record, enough for graphs and images. A greater length is corrupt. */
const MOST_BYTES = 2 ** 30;

export type TfRecord = { offset: number } & ({ data: Buffer } | { corrupt: string });

/**
 * Records of a TFRecord file that arrives in chunks. A corrupt record with an intact length is reported, and reading
 * continues with the next record. After a corrupt length no record can be found, so reading ends.
 */
export class TfRecords {
  #pending: Buffer[] = [];
  #bytes = 0;
  #needed = HEADER_BYTES;
  #offset = 0;
  #isLost = false;

  /** Number of bytes of an incomplete record. */
  get unread(): number {
    return this.#isLost ? 0 : this.#bytes;
  }

  /** Offset of the next record. */
  get offset(): number {
    return this.#offset;
  }

  push(bytes: Buffer): TfRecord[] {
    if (this.#isLost) return [];
    this.#pending.push(bytes);
    this.#bytes += bytes.length;
    // A large record arrives in many chunks, which are joined once.
    if (this.#bytes < this.#needed) return [];
    const buffer = this.#pending.length === 1 ? bytes : Buffer.concat(this.#pending);
    const { records, used } = this.#split(buffer);
    const rest = buffer.subarray(used);
    this.#pending = rest.length === 0 ? [] : [rest];
    this.#bytes = rest.length;
    return records;
  }

  #split(buffer: Buffer): { records: TfRecord[]; used: number } {
    const records: TfRecord[] = [];
    let used = 0;
    this.#needed = HEADER_BYTES;
    while (buffer.length - used >= HEADER_BYTES) {
      const length = Number(buffer.readBigUInt64LE(used));
      if (maskedCrc32c(buffer.subarray(used, used + 8)) !== buffer.readUInt32LE(used + 8) || length > MOST_BYTES) {
        records.push({
          offset: this.#offset,
          corrupt: 'the length of the record is corrupt: the rest of the file is not read',
        });
        this.#isLost = true;
        return { records, used: buffer.length };
      }
      const size = HEADER_BYTES + length + FOOTER_BYTES;
      if (buffer.length - used < size) {
        this.#needed = size;
        break;
      }
      const data = buffer.subarray(used + HEADER_BYTES, used + HEADER_BYTES + length);
      const isIntact = maskedCrc32c(data) === buffer.readUInt32LE(used + HEADER_BYTES + length);
      records.push({ offset: this.#offset, ...(isIntact ? { data } : { corrupt: 'the CRC of the record is wrong' }) });
      used += size;
      this.#offset += size;
    }
    return { records, used };
  }
}
