/** ZIP archives as NumPy writes them. Entries that are stored without compression stay on the disk. */
import { UnreadableFileError } from './unreadable-file.ts';

/** Signatures of the end of the central directory and of its entries: PKZIP's APPNOTE.TXT, 4.3.16 and 4.3.12. */
const END = 0x06054b50;
const ENTRY = 0x02014b50;
const END_BYTES = 22;
const ENTRY_BYTES = 46;
const LOCAL_BYTES = 30;
const MOST_COMMENT = 65_535;

/** Value of a 32-bit size or offset that does not fit: the ZIP64 extra field holds it. */
const IN_EXTRA = 0xffffffff;
const ZIP64 = 1;

const STORED = 0;
const DEFLATED = 8;

/** Reads the files of an archive, by name. @throws UnreadableFileError */
export async function readArchive(file: File): Promise<Map<string, Blob>> {
  const fail = (what: string): UnreadableFileError => new UnreadableFileError(`${file.name} cannot be read: ${what}`);
  const tailAt = Math.max(0, file.size - END_BYTES - MOST_COMMENT);
  const tail = new DataView(await file.slice(tailAt).arrayBuffer());
  let at = tail.byteLength - END_BYTES;
  while (at >= 0 && tail.getUint32(at, true) !== END) at--;
  if (at < 0) throw fail('it has no central directory: it is truncated');
  const count = tail.getUint16(at + 10, true);
  const directoryAt = tail.getUint32(at + 16, true);
  if (directoryAt === IN_EXTRA) throw fail('it is larger than 4 GiB, which only safetensors files may be');
  const directory = new DataView(await file.slice(directoryAt, tailAt + at).arrayBuffer());
  const files = new Map<string, Blob>();
  for (let k = 0, entry = 0; k < count; k++) {
    if (entry + ENTRY_BYTES > directory.byteLength || directory.getUint32(entry, true) !== ENTRY) {
      throw fail('its central directory is damaged');
    }
    const method = directory.getUint16(entry + 10, true);
    const nameLength = directory.getUint16(entry + 28, true);
    const extraLength = directory.getUint16(entry + 30, true);
    const extraAt = entry + ENTRY_BYTES + nameLength;
    if (extraAt + extraLength > directory.byteLength) throw fail('its central directory is damaged');
    const name = new TextDecoder().decode(new Uint8Array(directory.buffer, entry + ENTRY_BYTES, nameLength));
    const fields = [entry + 24, entry + 20, entry + 42] as const;
    const [, size, localAt] = largeFields(directory, fields, extraAt, extraLength);
    const local = new DataView(await file.slice(localAt, localAt + LOCAL_BYTES).arrayBuffer());
    if (local.byteLength < LOCAL_BYTES) throw fail(`${name} is missing`);
    const begin = localAt + LOCAL_BYTES + local.getUint16(26, true) + local.getUint16(28, true);
    const packed = file.slice(begin, begin + size);
    if (method !== STORED && method !== DEFLATED) throw fail(`${name} is compressed by method ${method}`);
    const unpacked = method === STORED ? packed : await inflate(packed).catch(() => undefined);
    if (unpacked === undefined) throw fail(`${name} cannot be decompressed`);
    files.set(name, unpacked);
    entry = extraAt + extraLength + directory.getUint16(entry + 32, true);
  }
  return files;
}

/** Reads 32-bit fields. Values that do not fit are read from the ZIP64 extra field, which has them in this order. */
function largeFields(
  view: DataView,
  fields: readonly [size: number, packed: number, place: number],
  extraAt: number,
  extraLength: number,
): [size: number, packed: number, place: number] {
  let at = extraAt;
  const end = extraAt + extraLength;
  while (at + 4 <= end && view.getUint16(at, true) !== ZIP64) at += 4 + view.getUint16(at + 2, true);
  at += 4;
  const read = (field: number): number => {
    const value = view.getUint32(field, true);
    if (value !== IN_EXTRA || at + 8 > end) return value;
    at += 8;
    return Number(view.getBigUint64(at - 8, true));
  };
  return [read(fields[0]), read(fields[1]), read(fields[2])];
}

const inflate = (packed: Blob): Promise<Blob> =>
  new Response(packed.stream().pipeThrough(new DecompressionStream('deflate-raw'))).blob();
